import Foundation
import MartletCoding
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
private let text = (0..<3000).map { "line \($0)\n" }.joined()

private func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
    let encoder = try #require(ContentEncoder(.gzip, level: 9, windowLog: 15))
    let out = ByteBuffer(capacity: bytes.count / 2 + 1024)
    var input = ByteSlice(copying: bytes)
    #expect(encoder.encode(&input, .finish, into: out) == .ended)
    return out.bytes().array()
}

@Suite("Compressed requests, and responses that are decoded")
struct DecompressTests {
    private func proxy(
        _ upstream: ScriptedUpstream, _ settings: String = "{}", listener: String = "", routes: String = ""
    ) throws -> TestProxy {
        try TestProxy(
            listener: """
                \(listener)
                    filters: [{ decompress: \(settings) }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
    }

    private func post(_ path: String = "/", _ fields: String, _ body: [UInt8], to test: TestProxy) throws -> String {
        let client = try test.connect()
        try client.send(
            "POST \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(fields)Content-Length: \(body.count)\r\n\r\n")
        // A refusal may come before all of it is sent.
        try? client.send(body)
        client.receiveToEnd()
        return client.text
    }

    @Test("Upstream gets plain what gzip, brotli and zstd made", arguments: ["gzip", "br", "zstd"])
    func peers(coding: String) throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try proxy(upstream)
        try test.write("body", text)
        let file = test.directory.appendingPathComponent("body").path
        let (tool, ending) =
            ["gzip": ("gzip", ".gz"), "br": ("brotli", ".br"), "zstd": ("zstd", ".zst")][coding] ?? ("", "")
        #expect(try Tool.run(tool, (tool == "zstd" ? ["-q"] : ["-k"]) + [file]).code == 0)
        let (_, output) = try Tool.run(
            "curl",
            [
                "-sS", "-H", "Content-Encoding: \(coding)", "-H", "Content-Digest: sha-256=:AA==:", "--data-binary",
                "@\(file)\(ending)", "http://127.0.0.1:\(test.port)/",
            ])
        #expect(output == "ok")
        let request = try #require(upstream.recorded.first)
        let head = request.components(separatedBy: "\r\n\r\n")[0].lowercased()
        #expect(head.contains("transfer-encoding: chunked"))
        for gone in ["content-encoding", "content-length", "content-digest"] { #expect(!head.contains(gone)) }
        #expect(Self.body(request) == text)
        let labels = "{listener=\"public\",direction=\"request\"}"
        #expect(try test.metric("martlet_decompress_bytes_out_total\(labels)") == "\(text.utf8.count)")
        #expect(try test.metric("martlet_decompress_active{listener=\"public\"}") == "0")
    }

    /// Of a recorded request in chunks. Its text is ASCII.
    private static func body(_ request: String) -> String {
        var lines = request.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")[...]
        var body = ""
        while let end = lines.range(of: "\r\n"), let size = Int(lines[..<end.lowerBound], radix: 16), size > 0 {
            let start = end.upperBound
            let stop = lines.index(start, offsetBy: size)
            body += lines[start..<stop]
            lines = lines[stop...].dropFirst("\r\n".count)
        }
        return body
    }

    @Test("Refusals, each with its status and reason, and what is not touched")
    func refusals() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try proxy(
            upstream, "{ request: { max_size: 20KiB } }",
            routes: """
                      - { match: { path: { exact: /off } }, cluster: up, filters: { decompress: off } }
                      - { match: { path: { exact: /strict } }, cluster: up, filters: { decompress: { request: { unknown: refuse } } } }
                """)
        let good = try gzip(Array("hello".utf8))
        for (coding, body, status, reason) in [
            ("gzip", Array("hello".utf8), 400, "request-body-malformed"),
            ("gzip", Array(good.dropLast()), 400, "request-body-truncated"),
            ("gzip", good + [0], 400, "request-body-bytes-behind-the-end"),
            ("br", [0, 255, 255, 255, 255], 400, "request-body-malformed"),
            ("zstd", good, 400, "request-body-malformed"),
            ("gzip", try gzip(Array(text.utf8)), 413, "request-body-too-large"),
            ("gzip, gzip", good, 415, "request-content-encoding-layers"),
            ("gzip\r\nContent-Encoding: br", good, 415, "request-content-encoding-layers"),
        ] {
            let answer = try post("/", "Content-Encoding: \(coding)\r\n", body, to: test)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(reason): \(answer)")
            #expect(answer.contains("x-martlet-error: \(reason)\r\n"), "\(reason): \(answer)")
            if status == 415 { #expect(answer.contains("accept-encoding: gzip, br, zstd, deflate\r\n")) }
        }
        let unknown = try post("/strict", "Content-Encoding: aes\r\n", good, to: test)
        #expect(unknown.contains("x-martlet-error: request-content-encoding-unknown\r\n"))
        for (path, coding) in [("/", "aes"), ("/off", "gzip"), ("/", "identity")] {
            let answer = try post(path, "Content-Encoding: \(coding)\r\n", Array("as it is".utf8), to: test)
            #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(path) \(coding)")
            let request = try #require(upstream.recorded.last)
            #expect(request.lowercased().contains("content-encoding: \(coding)\r\n"))
            #expect(request.hasSuffix("as it is"))
        }
        #expect(try post("/", "Content-Encoding: gzip\r\n", [], to: test).hasPrefix("HTTP/1.1 200 "))
        let series = "martlet_decompress_refused_total{listener=\"public\",direction=\"request\",reason="
        for (reason, count) in [("malformed", "3"), ("truncated", "1"), ("layers", "2"), ("too-large", "1")] {
            #expect(try test.metric("\(series)\"\(reason)\"}") == count, "\(reason)")
        }
    }

    /// 64 MiB of zeros in 64 KiB.
    private static func member() throws -> [UInt8] { try gzip([UInt8](repeating: 0, count: 64 << 20)) }

    @Test("A bomb of 10 GiB is refused at its first MiB, in bounded memory")
    func bomb() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try proxy(upstream)
        #expect(try post("/", "", Array("warm".utf8), to: test).hasPrefix("HTTP/1.1 200 "))
        let before = test.residentMemory
        let member = try Self.member()
        let answer = try post(
            "/", "Content-Encoding: gzip\r\n", Array(repeating: member, count: 160).flatMap { $0 }, to: test)
        if !answer.isEmpty { #expect(answer.contains("x-martlet-error: request-body-expands-too-much\r\n")) }
        let series = "martlet_decompress_refused_total{listener=\"public\",direction=\"request\","
        #expect(try test.metric("\(series)reason=\"expands-too-much\"}") == "1")
        #expect(upstream.receivedBytes < 3 << 20)
        #expect(test.residentMemory - before < 16 << 10)
        #expect(try test.metric("martlet_decompress_active{listener=\"public\"}") == "0")
    }

    @Test("What is allowed to expand waits for an upstream that does not read, in bounded memory")
    func backPressure() throws {
        let reads = Locked(false)
        let total = Locked(0)
        let upstream = try ScriptedUpstream { _, connection in
            _ = eventually { reads.withLock { $0 } }
            while let count = connection.discard(262_144) {
                total.withLock { $0 += count }
                if total.withLock({ $0 }) > 64 << 20 { break }
            }
            try? connection.send(ok)
        }
        let test = try proxy(upstream, "{ request: { max_size: 1GiB, max_ratio: 2000 } }")
        let before = test.residentMemory
        let member = try Self.member()
        let client = try test.connect()
        try client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: \(member.count)\r\n\r\n")
        try client.send(member)
        // It has done what it can: both buffers of the connection to upstream are full.
        var last = ""
        let series = "martlet_decompress_bytes_out_total{listener=\"public\",direction=\"request\"}"
        #expect(
            try eventually {
                let now = try test.metric(series) ?? ""
                defer { last = now }
                return now == last && now != "0" && now != ""
            })
        #expect(Int(last) ?? 0 < 32 << 20)
        #expect(test.residentMemory - before < 16 << 10)
        reads.withLock { $0 = true }
        #expect(client.receive(until: { $0.text.hasSuffix("ok") }))
        #expect(total.withLock { $0 } > 64 << 20)
    }

    @Test("A client that leaves in the middle leaves nothing behind, and upstream no whole request")
    func leaving() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try proxy(upstream)
        let stream = try gzip((0..<50_000).map { UInt8(truncatingIfNeeded: ($0 &* $0) >> 7) })
        let client = try test.connect()
        try client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: \(stream.count)\r\n\r\n")
        try client.send(Array(stream.prefix(stream.count / 2)))
        let gauge = "martlet_decompress_active{listener=\"public\"}"
        #expect(try eventually { try test.metric(gauge) == "1" && upstream.receivedBytes > 0 })
        client.reset()
        #expect(try eventually { try test.metric(gauge) == "0" })
        #expect(upstream.recorded.isEmpty)
    }

    @Test("Responses by choice: decoded for every client, and broken off when they are no stream")
    func responses() throws {
        let body = try gzip(Array(text.utf8))
        let upstream = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                let sent = request.contains("/broken") ? Array(body.prefix(400)) : body
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nETag: \"1\"\r\n"
                    + (request.contains("/kept") ? "Cache-Control: no-transform\r\n" : "")
                    + "Content-Length: \(sent.count)\r\n\r\n"
                guard (try? connection.send(Array(head.utf8) + sent)) != nil else { return }
            }
        }
        let test = try TestProxy(
            listener: """
                    filters: [compress, { decompress: { response: { algorithms: [gzip] } } }, router]
                    routes: [{ match: {}, cluster: up }]
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        let url = "http://127.0.0.1:\(test.port)"
        #expect(try Tool.run("curl", ["-sS", "\(url)/"]).output == text)
        #expect(upstream.recorded.last?.lowercased().contains("accept-encoding: gzip\r\n") == true)
        // What the client takes is the client's, whatever upstream was asked for.
        let again = try test.get("/", headers: "Accept-Encoding: zstd\r\n").lowercased()
        #expect(again.contains("content-encoding: zstd\r\n"))
        #expect(again.contains("etag: w/\"1\"\r\n"))
        #expect(try test.get("/kept").contains("Content-Encoding: gzip\r\n"))
        _ = try test.get("/", headers: "Range: bytes=0-3\r\n")
        #expect(upstream.recorded.last?.lowercased().contains("accept-encoding: identity\r\n") == true)
        let broken = try Tool.run("curl", ["-sS", "-o", "/dev/null", "\(url)/broken"])
        #expect(broken.code == 18 || broken.code == 56, "\(broken)")
        let series = "martlet_decompress_refused_total{listener=\"public\",direction=\"response\","
        #expect(try test.metric("\(series)reason=\"truncated\"}") == "1")
    }
}
