import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("buffer and body_limit")
struct BodyLimitTests {
    private func proxy(_ filter: String, routes: String = "", upstream: ScriptedUpstream) throws -> TestProxy {
        try TestProxy(
            listener: """
                    filters: [{ \(filter) }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
    }

    private func chunked(_ chunks: [Int], end: String = "0\r\n\r\n", path: String = "/") -> String {
        "POST \(path) HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks.map { "\(String($0, radix: 16))\r\n\(String(repeating: "x", count: $0))\r\n" }.joined() + end
    }

    private func post(_ length: Int, path: String = "/", extra: String = "") -> String {
        "POST \(path) HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\(extra)Content-Length: \(length)\r\n\r\n"
            + String(repeating: "x", count: length)
    }

    @Test("buffer: nothing goes on before the whole request is here; then its length is known")
    func buffer() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy(
            "buffer: { max_request_bytes: 100B }",
            routes: """
                      - { match: { path: { prefix: /big } }, cluster: up, filters: { buffer: { max_request_bytes: 1KiB } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { buffer: off } }
                """, upstream: upstream)
        let client = try proxy.connect()
        try client.send(chunked([40, 40], end: ""))
        #expect(try proxy.get("/other").hasSuffix("ok"))
        #expect(upstream.recorded.map { $0.prefix(10) } == ["GET /other"])
        #expect(upstream.accepted == 1, "not even a connection")
        try client.send("0\r\n\r\n")
        client.receiveToEnd()
        #expect(client.text.hasSuffix("ok"))
        let seen = try #require(upstream.recorded.last)
        #expect(seen.lowercased().contains("content-length: 80\r\n"))
        #expect(!seen.lowercased().contains("transfer-encoding"))

        for request in [chunked([60, 41]), post(101)] {
            let answer = try proxy.exchange(request)
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.contains("x-martlet-error: request-body-too-large\r\n"))
        }
        #expect(try proxy.exchange(post(100)).hasSuffix("ok"))
        #expect(try proxy.exchange(post(1000, path: "/big")).hasSuffix("ok"))
        #expect(try proxy.exchange(chunked([1000], path: "/off")).hasSuffix("ok"))
        #expect(upstream.recorded.count == 5)
        #expect(try proxy.metric("martlet_buffer_refused_total{listener=\"public\"}") == "2")
    }

    @Test("buffer: a body that is announced as too long is refused before the client is told to go on")
    func expect() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy("buffer: { max_request_bytes: 100B }", upstream: upstream)
        let client = try proxy.connect()
        try client.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
        #expect(client.receive { $0.text.contains("\r\n\r\n") })
        #expect(client.text.hasPrefix("HTTP/1.1 413 "))
    }

    @Test("body_limit: bodies pass while they are short enough, counted as they come")
    func request() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try proxy(
            "body_limit: { request: 100B }",
            routes: """
                      - { match: { path: { prefix: /big } }, cluster: up, filters: { body_limit: { request: 1KiB } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { body_limit: off } }
                """, upstream: upstream)
        #expect(try proxy.exchange(post(100)).hasSuffix("ok"))
        #expect(try proxy.exchange(chunked([50, 50])).hasSuffix("ok"))
        #expect(upstream.recorded.last?.lowercased().contains("transfer-encoding: chunked\r\n") == true)
        #expect(try proxy.exchange(chunked([1000], path: "/big")).hasSuffix("ok"))
        #expect(try proxy.exchange(chunked([5000], path: "/off")).hasSuffix("ok"))
        #expect(try proxy.get("/").hasSuffix("ok"))
        for request in [chunked([50, 51]), chunked([101]), post(101), chunked([100, 1])] {
            let answer = try proxy.exchange(request)
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.contains("x-martlet-error: request-body-too-large\r\n"))
        }
        #expect(upstream.recorded.count == 5, "no request that was refused reached upstream whole")
        #expect(
            try proxy.metric("martlet_body_limit_refused_total{listener=\"public\",direction=\"request\"}") == "4")
    }

    @Test("body_limit: a response that announces too much is 502; one that turns out to be too long breaks off")
    func response() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let body = String(repeating: "y", count: 60)
            if request.contains("/announced") { return "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + body + body }
            if request.hasPrefix("HEAD ") { return "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" }
            if request.contains("/304") { return "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n" }
            let chunk = "3c\r\n\(body)\r\n"
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + (request.contains("/long") ? chunk + chunk : chunk) + "0\r\n\r\n"
        }
        let proxy = try proxy("body_limit: { response: 100B }", upstream: upstream)
        let announced = try proxy.get("/announced")
        #expect(
            announced.hasPrefix("HTTP/1.1 502 ") && announced.contains("x-martlet-error: response-body-too-large\r\n"))
        #expect(try proxy.get("/short").hasSuffix("0\r\n\r\n"))
        let long = try proxy.get("/long")
        #expect(!long.hasSuffix("0\r\n\r\n"), "the client can see that it is not whole: \(long)")
        #expect(
            try proxy.exchange("HEAD / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.get("/304").hasPrefix("HTTP/1.1 304 "))
        #expect(
            try proxy.metric("martlet_body_limit_refused_total{listener=\"public\",direction=\"response\"}") == "2")
    }
}
