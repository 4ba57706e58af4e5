/// Messages that two parsers could read differently, or that no parser should accept.
public struct StrictnessCase: CustomStringConvertible, Sendable {
    public let name: String
    public let bytes: String
    public var status = 400
    public var description: String { name }

    init(name: String, bytes: String, status: Int = 400) {
        self.name = name
        self.bytes = bytes
        self.status = status
    }

    public static let refused: [StrictnessCase] = [
        StrictnessCase(
            name: "CL.TE",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        StrictnessCase(
            name: "TE.CL",
            bytes:
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n"
        ),
        StrictnessCase(
            name: "TE.TE",
            bytes:
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        ),
        StrictnessCase(
            name: "xchunked", bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "chunked, identity",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "tab in coding",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{0B}chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "space before colon",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "folded coding",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "two lengths",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        StrictnessCase(
            name: "equal lengths",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        StrictnessCase(
            name: "list of lengths", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
        StrictnessCase(name: "signed length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
        StrictnessCase(name: "hex length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
        StrictnessCase(
            name: "huge length",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
        StrictnessCase(name: "bare LF", bytes: "GET / HTTP/1.1\nHost: a\n\n"),
        StrictnessCase(name: "bare LF in a field", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n"),
        StrictnessCase(name: "bare CR in a value", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n"),
        StrictnessCase(name: "NUL in a value", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n"),
        StrictnessCase(name: "two Hosts", bytes: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        StrictnessCase(name: "no Host", bytes: "GET / HTTP/1.1\r\n\r\n"),
        StrictnessCase(name: "userinfo in Host", bytes: "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
        StrictnessCase(name: "junk in Host", bytes: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        StrictnessCase(name: "userinfo in target", bytes: "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(name: "absolute form without Host", bytes: "GET http://a/ HTTP/1.1\r\n\r\n"),
        StrictnessCase(
            name: "absolute form with junk in Host", bytes: "GET http://a/ HTTP/1.1\r\nHost: user@b junk\r\n\r\n"),
        StrictnessCase(name: "NUL in the target", bytes: "GET /a\u{0}b HTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(name: "bare CR in the request line", bytes: "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(name: "empty length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
        StrictnessCase(name: "negative length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"),
        StrictnessCase(
            name: "chunked, chunked",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(name: "fragment", bytes: "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(
            name: "HTTP/1.0 with coding",
            bytes: "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        StrictnessCase(name: "Connection names Host", bytes: "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n"),
        StrictnessCase(
            name: "Connection names Content-Length",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: content-length\r\n\r\nx"),
        StrictnessCase(
            name: "Connection names X-Forwarded-For",
            bytes: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-forwarded-for\r\n\r\n"),
        StrictnessCase(
            name: "Connection names Authorization",
            bytes: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nConnection: authorization\r\n\r\n"),
        StrictnessCase(name: "two spaces", bytes: "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(name: "HTTP/0.9", bytes: "GET /\r\n\r\n"),
        StrictnessCase(name: "HTTP/3.0", bytes: "GET / HTTP/3.0\r\nHost: a\r\n\r\n", status: 505),
        StrictnessCase(name: "method with a slash", bytes: "GE/T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        StrictnessCase(name: "a folded field", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
        StrictnessCase(name: "a field before the first", bytes: "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
        StrictnessCase(
            name: "expectation", bytes: "GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", status: 417),
        StrictnessCase(name: "CONNECT", bytes: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", status: 405),
        StrictnessCase(name: "climbing path", bytes: "GET /a/../../etc HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]

    public static let chunkTricks: [StrictnessCase] = [
        StrictnessCase(name: "0x5", bytes: "0x5\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "-1", bytes: "-1\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "+5", bytes: "+5\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "space before size", bytes: " 5\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "space after size", bytes: "5 \r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "overflow", bytes: "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "LF after size", bytes: "5\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "no CRLF after data", bytes: "5\r\nhelloX\r\n0\r\n\r\n"),
        StrictnessCase(name: "LF after data", bytes: "5\r\nhello\n0\r\n\r\n"),
        StrictnessCase(name: "LF in extension", bytes: "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "empty size", bytes: "\r\nhello\r\n0\r\n\r\n"),
        StrictnessCase(name: "trailer without colon", bytes: "5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    ]

    public static let badResponses: [StrictnessCase] = [
        StrictnessCase(name: "NUL in a value", bytes: "HTTP/1.1 200 OK\r\nX: a\u{0}b\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "bare CR", bytes: "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "bare LF", bytes: "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        StrictnessCase(name: "status 99", bytes: "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "status 1000", bytes: "HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "no status", bytes: "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "not HTTP", bytes: "SSH-2.0-OpenSSH_9.2\r\n"),
        StrictnessCase(
            name: "two lengths", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
        StrictnessCase(
            name: "length and coding",
            bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(name: "unknown coding", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        StrictnessCase(
            name: "101 that nobody asked for",
            bytes: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        StrictnessCase(name: "closed without a byte", bytes: ""),
        StrictnessCase(name: "folded field", bytes: "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(name: "space before colon", bytes: "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        StrictnessCase(
            name: "equal lengths", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        StrictnessCase(
            name: "coding in HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        StrictnessCase(name: "1xx with a length", bytes: "HTTP/1.1 103 Hints\r\nContent-Length: 1\r\n\r\nx"),
    ]
}
