import MartletCoding
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletTransform

private let json = [("content-type", "application/json")]

/// A body with a known stream, decoded again: what a client would have.
private func decoded(_ bytes: [UInt8], _ coding: ContentCoding = .gzip) throws -> String {
    let decoder = try #require(ContentDecoder(coding, ContentDecoder.Limits()))
    let out = ByteBuffer(capacity: 1 << 20)
    var input = ByteSlice(copying: bytes)
    #expect(decoder.decode(&input, isLast: true, into: out) == .ended)
    return String(decoding: out.bytes().array(), as: UTF8.self)
}

private func encoded(_ bytes: [UInt8]) throws -> [UInt8] {
    let encoder = try #require(ContentEncoder(.gzip, level: 6, windowLog: 15))
    let out = ByteBuffer(capacity: 1 << 20)
    var input = ByteSlice(copying: bytes)
    #expect(encoder.encode(&input, .finish, into: out) == .ended)
    return out.bytes().array()
}

@Suite("Streams through the chain")
struct StreamTests {
    private func compress(_ text: String = "{ algorithms: [gzip] }") throws -> CompressConfig {
        let (config, errors) = try settings(text) { CompressConfig($0, base: nil) }
        #expect(errors.isEmpty)
        return config
    }

    @Test("The end of the stream comes before the trailers, of a body in chunks and of one with a length")
    func end() throws {
        let config = try compress()
        for hasTrailers in [true, false] {
            let script = try ChainScript { [Compress(config, $0)] }
            script.request([("accept-encoding", "gzip")])
            script.response(200, json, body: hasTrailers ? .chunked : .exactly(2048))
            script.send(Array(repeating: 0x61, count: 1024))
            script.send(Array(repeating: 0x62, count: 1024), isLast: !hasTrailers)
            if hasTrailers {
                #expect(!script.hasEnded)
                script.exchange.responseFlow.trailersReceived(script.exchange)
            }
            #expect(script.hasEnded)
            #expect(script.passed.last == (hasTrailers ? "response trailers" : "response body"))
            #expect(script.exchange.response.body == .chunked)
            #expect(
                try decoded(script.body) == String(repeating: "a", count: 1024) + String(repeating: "b", count: 1024))
            script.finish()
            #expect(script.worker.metrics.copy().gauges.values.allSatisfy { $0 == 0 })
        }
    }

    @Test("Every piece of a body without length goes on at once; of one with a length it may wait")
    func flush() throws {
        for (flush, body, isFlushed) in [
            ("auto", BodyLength.chunked, true), ("auto", .untilClose, true), ("auto", .exactly(4000), false),
            ("always", .exactly(4000), true), ("never", .chunked, false),
        ] {
            let config = try compress("{ algorithms: [gzip], flush: \(flush) }")
            let script = try ChainScript { [Compress(config, $0)] }
            script.request([("accept-encoding", "gzip")])
            script.response(200, json, body: body)
            script.send(Array("one".utf8))
            let first = script.body.count
            script.send(Array("two".utf8))
            #expect((script.body.count > first && first > 10) == isFlushed, "\(flush) \(body)")
        }
    }

    @Test("A local reply, of a filter in front of this one too, is compressed like any other")
    func reply() throws {
        let config = try compress("{ algorithms: [gzip], min_size: 10B }")
        let text = String(repeating: "no entry ", count: 20)
        for isInFront in [true, false] {
            let refuses = Refuses(Array(text.utf8))
            let script = try ChainScript {
                isInFront ? [refuses, Compress(config, $0)] : [Compress(config, $0), refuses]
            }
            script.request([("accept-encoding", "gzip")])
            #expect(script.hasEnded)
            #expect(try decoded(script.body) == text)
            #expect(script.exchange.response.headers.string(.contentEncoding) == "gzip")
            #expect(script.exchange.response.body == .chunked)
        }
    }

    @Test("Beyond max_active responses go out as they are, and places come back")
    func active() throws {
        let config = try compress("{ algorithms: [gzip], max_active: 1 }")
        var filter: Compress?
        let script = try ChainScript {
            let made = Compress(config, $0)
            filter = made
            return [made]
        }
        let shared = try #require(filter)
        script.request([("accept-encoding", "gzip")])
        script.response(200, json)
        let second = try ChainScript { _ in [shared] }
        second.request([("accept-encoding", "gzip")])
        second.response(200, json)
        #expect(!second.exchange.response.headers.contains(.contentEncoding))
        #expect(second.exchange.response.headers.string(.vary) == "accept-encoding")
        #expect(script.counter("martlet_compress_skipped_total", "reason=\"too-many-active\"") == 1)
        // Broken off.
        script.finish()
        let third = try ChainScript { _ in [shared] }
        third.request([("accept-encoding", "gzip")])
        third.response(200, json)
        #expect(third.exchange.response.headers.string(.contentEncoding) == "gzip")
    }

    @Test("Much out of little waits for room, piece by piece, and nothing comes in meanwhile")
    func room() throws {
        let (config, _) = try settings("{ request: off, response: { max_ratio: 2000 } }") {
            DecompressConfig($0, base: nil)
        }
        let script = try ChainScript { [Decompress(config, $0)] }
        script.request()
        #expect(script.exchange.request.headers.string(.acceptEncoding) == "gzip, br, zstd, deflate")
        script.response(200, json + [("content-encoding", "gzip"), ("etag", "\"1\""), ("content-md5", "x")])
        #expect(!script.exchange.response.headers.contains(.contentEncoding))
        #expect(script.exchange.response.headers.string(HeaderName.etag) == "W/\"1\"")
        script.room = 3
        script.send(try encoded([UInt8](repeating: 0, count: 1_000_000)))
        #expect(script.pieces == 3)
        #expect(script.body.count <= 3 * 65_536)
        #expect(!script.exchange.responseFlow.acceptsMore)
        script.room = 2
        script.exchange.responseFlow.goOn(script.exchange)
        #expect(script.pieces == 5)
        script.room = .max
        script.exchange.responseFlow.goOn(script.exchange)
        #expect(script.body.count == 1_000_000)
        #expect(script.exchange.responseFlow.acceptsMore)
        #expect(!script.hasEnded)
        script.exchange.responseFlow.trailersReceived(script.exchange)
        #expect(script.hasEnded)
        #expect(script.passed.last == "response trailers")
    }

    @Test("Pieces and trailers that another filter holds come one after the other")
    func held() throws {
        let (config, _) = try settings("{ request: off, response: {} }") { DecompressConfig($0, base: nil) }
        let holds = Holds()
        let script = try ChainScript { [holds, Decompress(config, $0)] }
        script.request()
        script.response(200, json + [("content-encoding", "gzip")])
        script.send(try encoded([UInt8](repeating: 7, count: 150_000)))
        var resumed = 0
        while resumed < holds.held.count {
            #expect(holds.held.count == resumed + 1)
            #expect(!script.exchange.responseFlow.acceptsMore)
            #expect(!script.hasEnded)
            holds.held[resumed].resume()
            resumed += 1
            if resumed == 3 { script.exchange.responseFlow.trailersReceived(script.exchange) }
        }
        #expect(resumed == 4)
        #expect(script.body == [UInt8](repeating: 7, count: 150_000))
        #expect(script.hasEnded)
        // Trailers tell this filter of the end.
        #expect(!holds.isLastSeen)
    }

    @Test("What another filter has collected is compressed as a whole, even when nothing is left of it")
    func collected() throws {
        let config = try compress("{ algorithms: [gzip], min_size: 0 }")
        for text in ["", String(repeating: "collected ", count: 100_000)] {
            for hasTrailers in [true, false] {
                let script = try ChainScript { [Compress(config, $0), Collects(Array(text.utf8))] }
                script.request([("accept-encoding", "gzip")])
                script.response(200, json, body: hasTrailers ? .chunked : .exactly(4))
                script.send(Array("body".utf8), isLast: !hasTrailers)
                if hasTrailers { script.exchange.responseFlow.trailersReceived(script.exchange) }
                #expect(script.hasEnded)
                #expect(try decoded(script.body) == text)
                #expect(script.exchange.response.body == .chunked)
            }
        }
    }

    @Test("Trailers wait until all that was made of the body has gone on")
    func trailersWait() throws {
        let (config, _) = try settings("{ request: off, response: {} }") { DecompressConfig($0, base: nil) }
        let compress = try self.compress()
        let script = try ChainScript { [Compress(compress, $0), Decompress(config, $0)] }
        script.request([("accept-encoding", "gzip")])
        script.response(200, json + [("content-encoding", "gzip")])
        script.room = 1
        let text = (0..<60_000).map { UInt8(truncatingIfNeeded: ($0 * $0) >> 7) }
        script.send(try encoded(text + text))
        #expect(!script.exchange.responseFlow.acceptsMore)
        script.room = .max
        script.exchange.responseFlow.goOn(script.exchange)
        script.exchange.responseFlow.trailersReceived(script.exchange)
        #expect(script.passed.last == "response trailers")
        let decoder = try #require(ContentDecoder(.gzip, ContentDecoder.Limits()))
        let out = ByteBuffer(capacity: 1 << 20)
        var input = ByteSlice(copying: script.body)
        #expect(decoder.decode(&input, isLast: true, into: out) == .ended)
        #expect(out.bytes().array() == text + text)
    }
}

/// Lets nothing by at once.
private final class Holds: Filter {
    let hooks: Hooks = [.responseBody, .responseTrailers]
    var held: [Resumption] = []
    var isLastSeen = false
    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        isLastSeen = isLastSeen || chunk.isLast
        held.append(exchange.responseResumption())
        return .wait
    }
    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        held.append(exchange.responseResumption())
        return .wait
    }
}

/// Has the body of a response collected, and lets it go on with other bytes.
private final class Collects: Filter {
    let hooks: Hooks = [.responseHead, .responseBody]
    private let body: [UInt8]
    init(_ body: [UInt8]) { self.body = body }
    func onResponseHead(_ exchange: Exchange) -> Verdict { exchange.collectResponseBody() ? .wait : .next }
    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        chunk.replace(with: body)
        return .next
    }
}

/// Answers every request.
private final class Refuses: Filter {
    let hooks: Hooks = [.requestHead]
    private let body: [UInt8]
    init(_ body: [UInt8]) { self.body = body }
    func onRequestHead(_ exchange: Exchange) -> Verdict {
        .reply(Reply(status: 403, headers: [(.contentType, "text/plain")], body: body))
    }
}
