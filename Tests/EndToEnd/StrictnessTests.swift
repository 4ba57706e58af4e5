import Foundation
import MartletTesting
import Testing

/// What two parsers could read differently reaches the upstream as exactly one request, or not at all.
@Suite("Nothing is smuggled")
struct StrictnessTests {
    struct Case: CustomStringConvertible, Sendable {
        let name: String
        let bytes: String
        var status = 400
        var description: String { name }
    }

    static let refused: [Case] = [
        Case(
            name: "CL.TE",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        Case(
            name: "TE.CL",
            bytes:
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n"
        ),
        Case(
            name: "TE.TE",
            bytes:
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        ),
        Case(name: "xchunked", bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        Case(
            name: "chunked, identity",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        Case(
            name: "tab in coding",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{0B}chunked\r\n\r\n0\r\n\r\n"),
        Case(
            name: "space before colon",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        Case(
            name: "folded coding",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        Case(
            name: "two lengths",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        Case(
            name: "equal lengths",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        Case(name: "list of lengths", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
        Case(name: "signed length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
        Case(name: "hex length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
        Case(
            name: "huge length",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
        Case(name: "bare LF", bytes: "GET / HTTP/1.1\nHost: a\n\n"),
        Case(name: "bare LF in a field", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n"),
        Case(name: "bare CR in a value", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n"),
        Case(name: "NUL in a value", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n"),
        Case(name: "two Hosts", bytes: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        Case(name: "no Host", bytes: "GET / HTTP/1.1\r\n\r\n"),
        Case(name: "userinfo in Host", bytes: "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
        Case(name: "junk in Host", bytes: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        Case(name: "userinfo in target", bytes: "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(name: "absolute form without Host", bytes: "GET http://a/ HTTP/1.1\r\n\r\n"),
        Case(name: "absolute form with junk in Host", bytes: "GET http://a/ HTTP/1.1\r\nHost: user@b junk\r\n\r\n"),
        Case(name: "NUL in the target", bytes: "GET /a\u{0}b HTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(name: "bare CR in the request line", bytes: "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(name: "empty length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
        Case(name: "negative length", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"),
        Case(
            name: "chunked, chunked",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        Case(name: "fragment", bytes: "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(
            name: "HTTP/1.0 with coding",
            bytes: "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        Case(name: "Connection names Host", bytes: "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n"),
        Case(
            name: "Connection names Content-Length",
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: content-length\r\n\r\nx"),
        Case(
            name: "Connection names X-Forwarded-For",
            bytes: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-forwarded-for\r\n\r\n"),
        Case(
            name: "Connection names Authorization",
            bytes: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nConnection: authorization\r\n\r\n"),
        Case(name: "two spaces", bytes: "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(name: "HTTP/0.9", bytes: "GET /\r\n\r\n"),
        Case(name: "HTTP/3.0", bytes: "GET / HTTP/3.0\r\nHost: a\r\n\r\n", status: 505),
        Case(name: "method with a slash", bytes: "GE/T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Case(name: "a folded field", bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
        Case(name: "a field before the first", bytes: "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
        Case(name: "expectation", bytes: "GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", status: 417),
        Case(name: "CONNECT", bytes: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", status: 405),
        Case(name: "climbing path", bytes: "GET /a/../../etc HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]

    @Test("Refused, closed, and never forwarded", arguments: refused)
    func refusal(_ test: Case) throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(test.bytes, finishes: false)
        #expect(answer.hasPrefix("HTTP/1.1 \(test.status) "), "\(answer.prefix(60))")
        #expect(answer.contains("x-martlet-error: "))
        #expect(upstream.receivedBytes == 0)
    }

    static let chunkTricks: [Case] = [
        Case(name: "0x5", bytes: "0x5\r\nhello\r\n0\r\n\r\n"),
        Case(name: "-1", bytes: "-1\r\nhello\r\n0\r\n\r\n"),
        Case(name: "+5", bytes: "+5\r\nhello\r\n0\r\n\r\n"),
        Case(name: "space before size", bytes: " 5\r\nhello\r\n0\r\n\r\n"),
        Case(name: "space after size", bytes: "5 \r\nhello\r\n0\r\n\r\n"),
        Case(name: "overflow", bytes: "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Case(name: "LF after size", bytes: "5\nhello\r\n0\r\n\r\n"),
        Case(name: "no CRLF after data", bytes: "5\r\nhelloX\r\n0\r\n\r\n"),
        Case(name: "LF after data", bytes: "5\r\nhello\n0\r\n\r\n"),
        Case(name: "LF in extension", bytes: "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        Case(name: "empty size", bytes: "\r\nhello\r\n0\r\n\r\n"),
        Case(name: "trailer without colon", bytes: "5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    ]

    @Test("A broken chunk ends the request", arguments: chunkTricks)
    func chunks(_ test: Case) throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(test.bytes)GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer.prefix(60))")
        #expect(upstream.recorded.allSatisfy { !$0.contains("smuggled") })
    }

    @Test("What follows an upgrade that is not accepted is never forwarded")
    func earlyData() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(answer.hasSuffix("no"))
        #expect(upstream.recorded.count == 1)
    }

    @Test("An upgrade to h2c goes on as an ordinary request")
    func h2c() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        )
        let seen = try #require(upstream.recorded.first?.lowercased())
        #expect(!seen.contains("upgrade"))
        #expect(!seen.contains("http2-settings"))
    }

    @Test("A 101 to another protocol than was asked for is a 502")
    func otherProtocol() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 502 "))
    }

    @Test("Bytes behind a response are nobody's: the connection is not used again")
    func extraResponse() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            let name = request.contains("/first") ? "first" : "other"
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\(name)"
            try? connection.send(
                answer + (name == "first" ? answer.replacingOccurrences(of: "first", with: "spoof") : ""))
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(
            listener: TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port, "    circuit_breaker: { max_connections: 1 }"))
        let clients = try ["/first", "/second"].map { path in
            let client = try proxy.connect()
            try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            return client
        }
        #expect(clients[0].receive { $0.text.hasSuffix("first") })
        #expect(clients[1].receive { $0.text.hasSuffix("other") })
        #expect(upstream.accepted == 2)
    }

    @Test("Who a client says it is: added to the last field, and not believed")
    func forwardedFor() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.get(
            "/",
            headers:
                "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Client-Cert: Hash=x\r\nX-Envoy-A: b\r\n"
        )
        let seen = try #require(upstream.recorded.first)
        #expect(seen.contains("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n"))
        #expect(!seen.lowercased().contains("client-cert"))
        #expect(!seen.lowercased().contains("x-envoy"))
        // Behind one trusted proxy the client is what that one appended, in whichever field.
        let trusting = try TestProxy(
            listener:
                "    xff_num_trusted_hops: 1\n    access_log: { path: access.log, format: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\" }\n"
                + TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        _ = try trusting.get("/", headers: "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 8.8.8.8\r\n")
        let path = trusting.directory.appendingPathComponent("access.log").path
        #expect(eventually { (try? String(contentsOfFile: path, encoding: .utf8)) == "8.8.8.8\n" })
    }

    @Test("Trailers cannot say what only heads may")
    func trailers() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Fine: 1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Envoy-B: 1\r\nAuthorization: x\r\nContent-Length: 5\r\n\r\n"
        )
        let seen = try #require(upstream.recorded.first)
        #expect(seen.hasSuffix("0\r\nX-Fine: 1\r\n\r\n"))
    }

    static let badResponses: [Case] = [
        Case(name: "NUL in a value", bytes: "HTTP/1.1 200 OK\r\nX: a\u{0}b\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "bare CR", bytes: "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "bare LF", bytes: "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        Case(name: "status 99", bytes: "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "status 1000", bytes: "HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "no status", bytes: "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "not HTTP", bytes: "SSH-2.0-OpenSSH_9.2\r\n"),
        Case(name: "two lengths", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
        Case(
            name: "length and coding",
            bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Case(name: "unknown coding", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        Case(
            name: "101 that nobody asked for",
            bytes: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        Case(name: "closed without a byte", bytes: ""),
        Case(name: "folded field", bytes: "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "space before colon", bytes: "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        Case(name: "equal lengths", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        Case(name: "coding in HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Case(name: "1xx with a length", bytes: "HTTP/1.1 103 Hints\r\nContent-Length: 1\r\n\r\nx"),
    ]

    @Test("A bad upstream response is a 502", arguments: badResponses)
    func response(_ test: Case) throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(test.bytes)
        }
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 502 "), "\(answer.prefix(60))")
        #expect(answer.contains("x-martlet-error: upstream-"))
    }
}
