import Foundation
import MartletCoding
import MartletCore
import MartletTesting
import Synchronization
import Testing

private let json = "[" + (0..<400).map { "{\"id\":\($0),\"name\":\"thing \($0 % 7)\"}" }.joined(separator: ",") + "]"

private func answer(_ body: String, _ fields: String = "Content-Type: application/json\r\n") -> String {
    "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

/// Decodes as bytes come in, as a browser does.
private final class Reader {
    private let decoder: ContentDecoder
    private(set) var text = ""
    init(_ coding: ContentCoding) throws {
        decoder = try #require(ContentDecoder(coding, ContentDecoder.Limits()))
    }

    func read(_ bytes: [UInt8]) {
        var input = ByteSlice(copying: bytes)
        while true {
            let out = ByteBuffer(capacity: 65_536)
            let step = decoder.decode(&input, isLast: false, into: out)
            text += String(decoding: out.bytes().array(), as: UTF8.self)
            guard step == .full else { return }
        }
    }
}

/// The body of an HTTP/1.1 message in chunks, as far as it has come; whether its end has.
private func chunks(_ message: [UInt8]) -> (body: [UInt8], isWhole: Bool) {
    var body: [UInt8] = []
    guard var place = find("\r\n\r\n", message, 0).map({ $0 + 4 }) else { return ([], false) }
    while let end = find("\r\n", message, place),
        let size = Int(String(decoding: message[place..<end], as: UTF8.self), radix: 16)
    {
        if size == 0 { return (body, true) }
        let start = end + 2
        guard message.count >= start + size + 2 else { break }
        body += message[start..<(start + size)]
        place = start + size + 2
    }
    return (body, false)
}

private func find(_ text: String, _ bytes: [UInt8], _ start: Int) -> Int? {
    let pattern = Array(text.utf8)
    guard bytes.count >= start + pattern.count else { return nil }
    return (start...(bytes.count - pattern.count)).first { bytes[$0..<($0 + pattern.count)].elementsEqual(pattern) }
}

@Suite("Compressed responses")
struct CompressTests {
    private func proxy(
        _ upstream: ScriptedUpstream, _ settings: String = "{}", routes: String = ""
    ) throws -> TestProxy {
        try TestProxy(
            listener: """
                    filters: [{ compress: \(settings) }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
    }

    @Test("curl, gzip, brotli and zstd read what is sent", arguments: ["gzip", "br", "zstd"])
    func peers(coding: String) throws {
        let test = try proxy(ScriptedUpstream.answering(answer(json)))
        let file = test.directory.appendingPathComponent("body").path
        let (code, heads) = try Tool.run(
            "curl",
            ["-sS", "-D", "-", "-o", file, "-H", "Accept-Encoding: \(coding)", "http://127.0.0.1:\(test.port)/"])
        #expect(code == 0, "\(heads)")
        #expect(heads.lowercased().contains("content-encoding: \(coding)\r\n"))
        #expect(heads.lowercased().contains("vary: accept-encoding\r\n"))
        #expect(!heads.lowercased().contains("content-length"))
        let tool = ["gzip": ["gzip", "-dc"], "br": ["brotli", "-dc"], "zstd": ["zstd", "-dcq"]][coding] ?? []
        let compressed = try #require(FileManager.default.contents(atPath: file))
        #expect(compressed.count < json.utf8.count / 3)
        // Its own ending, so that no tool asks what the file is.
        let named = file + (["gzip": ".gz", "br": ".br", "zstd": ".zst"][coding] ?? "")
        try FileManager.default.moveItem(atPath: file, toPath: named)
        #expect(try Tool.run(tool[0], Array(tool[1...]) + [named]).output == json)
        let plain = try Tool.run(
            "curl",
            ["-sS", "--compressed", "-H", "Accept-Encoding: \(coding)", "http://127.0.0.1:\(test.port)/"])
        #expect(plain.output == json)
        let labels = "{listener=\"public\",coding=\"\(coding)\"}"
        #expect(try test.metric("martlet_compress_bytes_out_total\(labels)") != "0")
    }

    @Test("What is left as it is: by its client, its kind, its size; on routes that say so")
    func untouched() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let path = request.split(separator: " ")[1]
            switch path {
            case "/png": return answer(json, "Content-Type: image/png\r\n")
            case "/small": return answer("{}")
            case "/part":
                return "HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\n"
                    + "Content-Range: bytes 0-1/2\r\nContent-Length: 2\r\n\r\n{}"
            case "/same": return "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"
            case "/head": return answer("", "Content-Type: application/json\r\nX-Length: 1\r\n")
            default:
                return answer(
                    json, "Content-Type: application/json\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n")
            }
        }
        let test = try proxy(
            upstream, "{ algorithms: [gzip] }",
            routes: """
                      - { match: { path: { exact: /off } }, cluster: up, filters: { compress: off } }
                      - { match: { path: { exact: /large } }, cluster: up, filters: { compress: { min_size: 1MiB } } }
                """)
        func get(_ path: String, _ headers: String = "Accept-Encoding: gzip\r\n") throws -> String {
            try test.get(path, headers: headers).lowercased()
        }
        let compressed = try get("/")
        #expect(compressed.contains("content-encoding: gzip\r\n"))
        #expect(compressed.contains("etag: w/\"1\"\r\n"))
        #expect(compressed.contains("vary: origin, accept-encoding\r\n"))
        #expect(!compressed.contains("accept-ranges"))
        for headers in ["", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip;q=0\r\n"] {
            let plain = try get("/", headers)
            #expect(plain.hasSuffix("\r\n\r\n" + json.lowercased()))
            #expect(plain.contains("etag: \"1\"\r\n"))
            #expect(plain.contains("vary: origin, accept-encoding\r\n"))
            #expect(!plain.contains("content-encoding"))
        }
        for path in ["/png", "/small", "/part", "/same", "/off", "/large"] {
            let plain = try get(path)
            #expect(!plain.contains("content-encoding"), "\(path)")
            #expect(!plain.contains("accept-encoding"), "\(path)")
        }
        let old = try test.exchange("GET / HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        #expect(!old.lowercased().contains("content-encoding"))
        let head = try test.exchange(
            "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n", finishes: true)
        #expect(head.lowercased().contains("content-length: \(json.utf8.count)\r\n"))
        #expect(!head.lowercased().contains("content-encoding"))
        for (reason, count) in [
            ("content-type", "1"), ("small", "2"), ("partial", "1"), ("no-body", "1"), ("not-accepted", "3"),
            ("http-1.0", "1"), ("head", "1"),
        ] {
            let series = "martlet_compress_skipped_total{listener=\"public\",reason=\"\(reason)\"}"
            #expect(try test.metric(series) == count, "\(reason)")
        }
    }

    @Test("Upstream is not asked for what it need not do")
    func removal() throws {
        let upstream = try ScriptedUpstream.answering(answer(json))
        let test = try proxy(upstream, "{ remove_accept_encoding_header: true }")
        #expect(try test.get("/", headers: "Accept-Encoding: gzip\r\n").contains("content-encoding: gzip"))
        #expect(upstream.recorded.allSatisfy { !$0.lowercased().contains("accept-encoding") })
    }

    @Test(
        "Events go out as they happen, and the stream ends well, trailers included", arguments: ["gzip", "br", "zstd"])
    func events(coding: String) throws {
        let seen = Locked(0)
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in 0..<20 {
                // Each only after the client has read the one before.
                guard eventually({ seen.withLock { $0 } >= number }) else { return }
                let event = "data: event \(number)\n\n"
                try? connection.send("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
            }
            try? connection.send("0\r\nX-Sum: 20\r\n\r\n")
        }
        let test = try proxy(upstream, "{ content_types: [text/event-stream] }")
        let client = try test.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: \(coding)\r\n\r\n")
        for number in 0..<20 {
            let came = client.receive(until: {
                let reader = try? Reader(ContentCoding(rawValue: coding) ?? .gzip)
                reader?.read(chunks($0.received).body)
                return reader?.text.contains("data: event \(number)\n\n") == true
            })
            try #require(came, "event \(number) is held back")
            seen.withLock { $0 = number + 1 }
        }
        #expect(client.receive(until: { $0.text.lowercased().hasSuffix("0\r\nx-sum: 20\r\n\r\n") }))
    }

    @Test("A response that breaks off is not whole to its client; a client that leaves leaves nothing behind")
    func broken() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard let request = connection.nextRequest() else { return }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            try? connection.send("5\r\nhello\r\n")
            // Until the client leaves: then the proxy does, too.
            if request.contains("/wait") { _ = connection.nextRequest() } else { connection.reset() }
        }
        let test = try proxy(upstream)
        let client = try test.connect()
        try client.send("GET /break HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        #expect(client.receiveToEnd())
        if !client.received.isEmpty && client.text.hasPrefix("HTTP/1.1 200") {
            #expect(!chunks(client.received).isWhole)
        }
        let gauge = "martlet_compress_active{listener=\"public\"}"
        let other = try test.connect()
        try other.send("GET /wait HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        #expect(other.receive(until: { !chunks($0.received).body.isEmpty }))
        #expect(try test.metric(gauge) == "1")
        other.reset()
        #expect(try eventually { try test.metric(gauge) == "0" })
    }
}
