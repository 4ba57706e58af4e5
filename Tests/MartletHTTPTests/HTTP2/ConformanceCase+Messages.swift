internal import MartletHTTP

/// RFC 9113 section 8: HTTP in frames.
extension ConformanceCase {
    private static let method = (":method", "GET")
    private static let scheme = (":scheme", "http")
    private static let path = (":path", "/")
    private static let authority = (":authority", "t")

    private static func malformed(_ name: String, _ fields: [(String, String)]) -> ConformanceCase {
        .init(name, Raw.headers(1, Raw.block(fields)), is: .stream(1, .protocolError))
    }

    private static func fine(_ name: String, _ fields: [(String, String)], _ last: String) -> ConformanceCase {
        .init(name, Raw.headers(1, Raw.block(fields)), last: last)
    }

    private static func response(
        _ name: String, _ fields: [(String, String)], stream: UInt32 = 1, end: Bool = true, then more: [UInt8] = [],
        is outcome: HTTP2Outcome = .accepted, last: String? = nil
    ) -> ConformanceCase {
        .init(name, Raw.headers(stream, Raw.block(fields), end: end), more, to: .client, is: outcome, last: last)
    }

    private static func post(_ fields: [(String, String)], end: Bool = false) -> [UInt8] {
        Raw.request(1, fields, method: "POST", end: end)
    }

    static let messages: [ConformanceCase] = [
        // MARK: 8.2 fields
        malformed("8.2.1 upper case in a name", Raw.line() + [("X-Upper", "v")]),
        malformed("8.2.1 space in a name", Raw.line() + [("a b", "v")]),
        malformed("8.2.1 colon in a name", Raw.line() + [("a:b", "v")]),
        malformed("8.2.1 a name without bytes", Raw.line() + [("", "v")]),
        malformed("8.2.1 a byte beyond ASCII in a name", Raw.line() + [("\u{E9}", "v")]),
        malformed("8.2.1 CR in a value", Raw.line() + [("a", "b\rc")]),
        malformed("8.2.1 LF in a value", Raw.line() + [("a", "b\nc")]),
        malformed("8.2.1 NUL in a value", Raw.line() + [("a", "b\0c")]),
        malformed("8.2.1 space before a value", Raw.line() + [("a", " b")]),
        malformed("8.2.1 tab behind a value", Raw.line() + [("a", "b\t")]),
        fine("8.2.1 a value without bytes", Raw.line() + [("a", "")], "1 GET / http none host=t a= ."),
        fine(
            "8.2.1 bytes beyond ASCII in a value", Raw.line() + [("a", "\u{E9}")], "1 GET / http none host=t a=\u{E9} ."
        ),
        malformed("8.2.2 connection", Raw.line() + [("connection", "keep-alive")]),
        malformed("8.2.2 keep-alive", Raw.line() + [("keep-alive", "1")]),
        malformed("8.2.2 proxy-connection", Raw.line() + [("proxy-connection", "keep-alive")]),
        malformed("8.2.2 transfer-encoding", Raw.line() + [("transfer-encoding", "chunked")]),
        malformed("8.2.2 upgrade", Raw.line() + [("upgrade", "websocket")]),
        malformed("8.2.2 te of something", Raw.line() + [("te", "trailers, deflate")]),
        fine("8.2.2 te of trailers", Raw.line() + [("te", "trailers")], "1 GET / http none host=t te=trailers ."),
        fine(
            "8.2.3 cookies", Raw.line() + [("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")],
            "1 GET / http none host=t cookie=a=b; c=d x=y ."),

        // MARK: 8.3 pseudo-headers
        malformed("8.3 an unknown one", Raw.line() + [(":other", "v")]),
        malformed("8.3 a response's", Raw.line() + [(":status", "200")]),
        malformed("8.3 behind a field", [method, scheme, path, ("a", "b"), authority]),
        malformed("8.3 behind a field that is wrong itself", [method, scheme, path, ("a", " b"), authority]),
        malformed("8.3 twice: method", [method] + Raw.line()),
        malformed("8.3 twice: path", [path] + Raw.line()),
        malformed("8.3 twice: scheme", [scheme] + Raw.line()),
        malformed("8.3 twice: authority", [authority] + Raw.line()),
        .init(
            "8.3 in trailers", post([]), Raw.headers(1, Raw.block([(":method", "GET")])), is: .stream(1, .protocolError)
        ),
        malformed("8.3.1 no method", [scheme, path, authority]),
        malformed("8.3.1 no scheme", [method, path, authority]),
        malformed("8.3.1 no path", [method, scheme, authority]),
        malformed("8.3.1 no path's bytes", [method, scheme, (":path", ""), authority]),
        malformed("8.3.1 no authority and no host", [method, scheme, path]),
        fine("8.3.1 a path without slash", [method, scheme, (":path", "a"), authority], "1 refused: badTarget"),
        fine(
            "8.3.1 an asterisk that is not of OPTIONS", [method, scheme, (":path", "*"), authority],
            "1 refused: badTarget"),
        fine("8.3.1 space in the path", [method, scheme, (":path", "/a b"), authority], "1 refused: badTarget"),
        fine("8.3.1 a method that is no token", [(":method", "G T"), scheme, path, authority], "1 refused: badMethod"),
        fine(
            "8.3.1 userinfo's end in the authority", [method, scheme, path, (":authority", "a b")],
            "1 refused: badAuthority"),
        fine(
            "8.3.1 an asterisk of OPTIONS", [(":method", "OPTIONS"), scheme, (":path", "*"), authority],
            "1 OPTIONS * http none host=t ."),
        fine("8.3.1 host alone", [method, scheme, path, ("host", "t")], "1 GET / http none host=t ."),
        fine("8.3.1 host as the authority", Raw.line() + [("host", "T")], "1 GET / http none host=t ."),
        fine("8.3.1 host that is not the authority", Raw.line() + [("host", "u")], "1 refused: differentHosts"),
        malformed("8.3.1 host twice", [method, scheme, path, ("host", "t"), ("host", "t")]),
        fine("8.3.1 userinfo", [method, scheme, path, (":authority", "a@t")], "1 refused: badAuthority"),
        fine(
            "8.3.1 an authority that is none", [method, scheme, path, (":authority", "t:99999")],
            "1 refused: badAuthority"),
        fine("8.3.1 a fragment", [method, scheme, (":path", "/#a"), authority], "1 refused: badTarget"),
        fine("8.3.1 a path beyond ASCII", [method, scheme, (":path", "/\u{E9}"), authority], "1 refused: badTarget"),
        fine(
            "8.3.1 a scheme of something else", [method, (":scheme", "ftp"), path, authority], "1 refused: badScheme"),
        fine(
            "8.3.1 a long method", [(":method", String(repeating: "M", count: 40)), scheme, path, authority],
            "1 refused: badMethod"),
        fine(
            "9110 10.1.1 expect", Raw.line() + [("expect", "100-continue")],
            "1 GET / http none expect host=t expect=100-continue ."),
        fine("9110 10.1.1 expect of something", Raw.line() + [("expect", "tea")], "1 refused: unknownExpectation"),

        // MARK: 8.1.1 content-length
        .init(
            "8.1.1 content-length that is right", post([("content-length", "3")]), Raw.data(1, "abc", end: true),
            last: "1 body abc."),
        .init(
            "8.1.1 content-length in two frames", post([("content-length", "4")]), Raw.data(1, "ab"),
            Raw.data(1, "cd", end: true), last: "1 body abcd."),
        .init(
            "8.1.1 more than content-length", post([("content-length", "2")]), Raw.data(1, "abc", end: true),
            is: .stream(1, .protocolError)),
        .init(
            "8.1.1 less than content-length", post([("content-length", "4")]), Raw.data(1, "abc", end: true),
            is: .stream(1, .protocolError)),
        .init(
            "8.1.1 less than content-length, in two frames", post([("content-length", "5")]), Raw.data(1, "ab"),
            Raw.data(1, "cd", end: true),
            is: .stream(1, .protocolError)),
        .init(
            "8.1.1 less than content-length, with trailers", post([("content-length", "4")]), Raw.data(1, "abc"),
            Raw.headers(1, Raw.block([("a", "b")])), is: .stream(1, .protocolError)),
        .init(
            "8.1.1 content-length without body", post([("content-length", "1")], end: true),
            is: .stream(1, .protocolError)),
        .init(
            "8.1.1 content-length of nothing", post([("content-length", "0")], end: true),
            last: "1 POST / http exactly(0) host=t content-length=0 ."),
        .init(
            "8.1.1 content-length twice", post([("content-length", "1"), ("content-length", "1")]),
            is: .stream(1, .protocolError)),
        .init("8.1.1 content-length of no number", post([("content-length", "+1")]), is: .stream(1, .protocolError)),
        .init("8.1.1 content-length without bytes", post([("content-length", "")]), is: .stream(1, .protocolError)),
        .init(
            "8.1.1 content-length beyond 2^63", post([("content-length", "99999999999999999999")]),
            is: .stream(1, .protocolError)),
        .init(
            "6.5.1 trailers that must not be there", post([]), Raw.data(1, "x"),
            Raw.headers(1, Raw.block([("host", "u"), ("a", "b"), ("authorization", "c")])), last: "1 body x. a=b"),

        // MARK: 8.5 CONNECT
        fine("8.5 CONNECT", [(":method", "CONNECT"), (":authority", "t:1")], "1 CONNECT t:1 http none host=t:1 ."),
        malformed("8.5 CONNECT with a path", [(":method", "CONNECT"), path, (":authority", "t:1")]),
        malformed("8.5 CONNECT with a scheme", [(":method", "CONNECT"), scheme, (":authority", "t:1")]),
        malformed("8.5 CONNECT without authority", [(":method", "CONNECT"), ("host", "t:1")]),
        fine("8.5 CONNECT without a port", [(":method", "CONNECT"), authority], "1 refused: badAuthority"),
        malformed(
            "8.5 CONNECT with a length", [(":method", "CONNECT"), (":authority", "t:1"), ("content-length", "1")]),
        .init(
            "RFC 8441 extended CONNECT",
            Raw.headers(
                1, Raw.block([(":method", "CONNECT"), (":protocol", "websocket"), scheme, path, authority]), end: false),
            last: "1 GET / http none upgrade host=t upgrade=websocket"),
        malformed("RFC 8441 protocol without CONNECT", [method, (":protocol", "websocket"), scheme, path, authority]),
        malformed("RFC 8441 without a path", [(":method", "CONNECT"), (":protocol", "websocket"), scheme, authority]),
        malformed(
            "RFC 8441 with host alone",
            [(":method", "CONNECT"), (":protocol", "websocket"), scheme, path, ("host", "t")]),
        fine(
            "RFC 8441 of HTTP", [(":method", "CONNECT"), (":protocol", "h2c"), scheme, path, authority],
            "1 refused: badProtocol"),
        fine(
            "RFC 8441 of no token", [(":method", "CONNECT"), (":protocol", "a b"), scheme, path, authority],
            "1 refused: badProtocol"),

        // MARK: Responses
        response("8.3.2 response", [(":status", "200"), ("a", "b")], last: "1 closed complete"),
        response("8.3.2 no status", [("a", "b")], is: .stream(1, .protocolError)),
        response("8.3.2 status twice", [(":status", "200"), (":status", "200")], is: .stream(1, .protocolError)),
        response("8.3.2 status of two digits", [(":status", "20")], is: .stream(1, .protocolError)),
        response("8.3.2 status of letters", [(":status", "2x0")], is: .stream(1, .protocolError)),
        response("8.3.2 status 099", [(":status", "099")], end: false, last: "1 bad response: badStatus"),
        response("8.3.2 status 600", [(":status", "600")], end: false, last: "1 bad response: badStatus"),
        response(
            "8.3.2 a request's pseudo-header", [(":status", "200"), (":path", "/")], is: .stream(1, .protocolError)),
        response("8.6 status 101", [(":status", "101")], end: false, is: .stream(1, .protocolError)),
        response("8.2.2 connection", [(":status", "200"), ("connection", "close")], is: .stream(1, .protocolError)),
        response(
            "8.1 1xx before", [(":status", "103"), ("link", "x")], end: false,
            then: Raw.headers(1, Raw.block([(":status", "200")])),
            last: "1 closed complete"),
        response("8.1 1xx that ends", [(":status", "103")], is: .stream(1, .protocolError)),
        response(
            "8.1 1xx and then body", [(":status", "103")], end: false, then: Raw.data(1, "x"),
            is: .stream(1, .protocolError)),
        response(
            "8.1 1xx with a length", [(":status", "103"), ("content-length", "0")], end: false,
            is: .stream(1, .protocolError)),
        response(
            "9110 9.3.2 body of HEAD", [(":status", "200"), ("content-length", "3")], stream: 5, end: false,
            then: Raw.data(5, "abc", end: true),
            is: .stream(5, .protocolError)),
        response(
            "9110 9.3.2 length of HEAD", [(":status", "200"), ("content-length", "3")], stream: 5,
            last: "5 closed complete"),
        response(
            "9110 15.4.5 body of 304", [(":status", "304")], end: false, then: Raw.data(1, "abc", end: true),
            is: .stream(1, .protocolError)),
        response(
            "9110 15.3.5 body of 204", [(":status", "204")], end: false, then: Raw.data(1, "abc", end: true),
            is: .stream(1, .protocolError)),
        response(
            "8.1.1 less than the response's length", [(":status", "200"), ("content-length", "4")], end: false,
            then: Raw.data(1, "abc", end: true),
            is: .stream(1, .protocolError)),
        response(
            "8.1 trailers", [(":status", "200")], end: false,
            then: Raw.data(1, "abc") + Raw.headers(1, Raw.block([("grpc-status", "0")])),
            last: "1 closed complete"),
        response(
            "8.1 trailers with a status", [(":status", "200")], end: false,
            then: Raw.headers(1, Raw.block([(":status", "200")])),
            is: .stream(1, .protocolError)),
    ]
}
