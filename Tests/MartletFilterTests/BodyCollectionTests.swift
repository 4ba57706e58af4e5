import MartletConfig
import MartletCore
import MartletHTTP
import Testing

@testable import MartletFilter

/// What a filter of these tests does with bodies.
private final class Collector: Filter {
    enum Wish { case nothing, whole, part(Int), see, ask, early(partial: Bool) }
    let wish: Wish
    var seen: [String] = []
    var held: Resumption?
    /// Whether the head is held behind the collected body until the test resumes it.
    var holds = false

    init(_ wish: Wish) { self.wish = wish }

    var hooks: Hooks {
        if case .see = wish { return [.requestHead, .requestBody] }
        return [.requestHead]
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        switch wish {
        case .nothing:
            guard holds else { return .next }
            held = exchange.requestResumption()
            return .wait
        case .see: return .next
        case .whole: return exchange.collectRequestBody(limit: 100) ? .wait : .next
        case .part(let limit):
            return exchange.collectRequestBody(limit: ByteCount(limit), allowsPartial: true) ? .wait : .next
        case .ask:
            _ = exchange.collectRequestBody(limit: 100)
            return .next
        case .early(let partial):
            held = exchange.requestResumption()
            return exchange.collectRequestBody(limit: 100, allowsPartial: partial) ? .wait : .next
        }
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        seen.append(String(decoding: chunk.slice.array(), as: UTF8.self) + (chunk.isLast ? "." : ""))
        guard holds else { return .next }
        held = exchange.requestResumption()
        return .wait
    }
}

/// Makes three pieces of each.
private final class Expander: Filter {
    let hooks: Hooks = [.requestHead, .requestBody]
    private var left = 0

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        exchange.requestBodyLengthChanges()
        return .next
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard chunk.isRest || chunk.count > 0 else { return .next }
        left = chunk.isRest ? left - 1 : 2
        chunk.replace(with: ByteSlice(copying: Array("<\(left)>".utf8)), hasRest: left > 0)
        return .next
    }
}

/// Keeps what passes.
private final class Sink: ExchangeHost {
    let exchange = Exchange()
    var passed: [String] = []
    var status: UInt16?

    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {
        if direction == .request { passed.append("head") } else { status = exchange.response.status }
    }
    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {
        guard direction == .request else { return }
        passed.append(String(decoding: chunk.array(), as: UTF8.self) + (ended ? "." : ""))
    }
    func trailersPassed(_ direction: Direction, of exchange: Exchange) { passed.append("trailers") }
    func flowOpened(_ direction: Direction, of exchange: Exchange) {}
    func replyStarted(of exchange: Exchange) {}
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) {}
    var services: any WorkerServices { fatalError("no filter of these tests asks for any") }

    init(_ filters: [any Filter]) throws {
        exchange.attach(self)
        let client = Downstream(
            directRemoteIP: "10.0.0.1", directRemotePort: 1, localAddress: "", listener: "l", scheme: .http,
            connectionID: 1)
        let routes = try RouteIndexTests.index("      - { match: {}, cluster: c }")
        exchange.open(chain: Chain(filters: filters, routes: routes), downstream: client, at: .now())
        exchange.request.setMethod("POST".utf8Span.span)
        exchange.request.setTarget("/".utf8Span.span)
        exchange.request.body = .chunked
        exchange.requestFlow.headReceived(exchange, ended: false)
    }

    deinit { exchange.detach() }

    /// False when the flow takes nothing now.
    @discardableResult
    func send(_ text: String, last: Bool = false) -> Bool {
        guard exchange.requestFlow.acceptsMore else { return false }
        exchange.requestFlow.bodyReceived(exchange, BodyChunk(ByteSlice(copying: Array(text.utf8)), isLast: last))
        return true
    }
}

@Suite("Bodies that filters have collected")
struct BodyCollectionTests {
    @Test("A head resumed before its body is collected takes along what has come", arguments: [true, false])
    func resumedEarly(partial: Bool) throws {
        let before = Collector(.see)
        let early = Collector(.early(partial: partial))
        let after = Collector(.see)
        let sink = try Sink([before, early, after])
        sink.send("abc")
        sink.send("de")
        early.held?.resume()
        #expect(sink.passed == ["head", "abcde"])
        sink.send("f", last: true)
        #expect(sink.passed == ["head", "abcde", "f."])
        #expect(before.seen == ["abc", "de", "f."])
        #expect(after.seen == ["abcde", "f."])
        #expect(sink.exchange.collectedRequestBody == nil, "it is not all of it")
    }

    @Test("Behind a beginning, a head resumed before the whole is collected takes along what has come")
    func partialThenResumedEarly() throws {
        let between = Collector(.see)
        let early = Collector(.early(partial: false))
        let after = Collector(.see)
        let sink = try Sink([Collector(.part(2)), between, early, after])
        sink.send("abc")
        sink.send("de")
        early.held?.resume()
        sink.send("f", last: true)
        #expect(sink.passed == ["head", "abcde", "f."])
        #expect(between.seen == ["abc", "de", "f."])
        #expect(after.seen == ["abcde", "f."])
    }

    @Test("A head resumed while a piece of its body is held goes on when that piece has")
    func resumedWhilePieceHeld() throws {
        let before = Collector(.see)
        let between = Collector(.see)
        let early = Collector(.early(partial: false))
        let after = Collector(.see)
        let sink = try Sink([before, between, early, after])
        sink.send("abc")
        before.holds = true
        sink.send("de")
        early.held?.resume()
        #expect(sink.passed.isEmpty)
        before.holds = false
        before.held?.resume()
        #expect(sink.passed == ["head", "abcde"])
        sink.send("f", last: true)
        #expect(sink.passed == ["head", "abcde", "f."])
        #expect(between.seen == ["abc", "de", "f."])
        #expect(after.seen == ["abcde", "f."])
    }

    @Test("A body that a filter asked for and did not wait for lets no other filter's head go")
    func askedFor() throws {
        let waiting = Collector(.nothing)
        waiting.holds = true
        let sink = try Sink([Collector(.ask), waiting])
        #expect(!sink.send("abc", last: true), "the head is held, and nobody collects")
        #expect(waiting.seen.isEmpty)
        #expect(sink.passed.isEmpty)
        waiting.held?.resume()
        sink.send("abc", last: true)
        #expect(sink.passed == ["head", "abc."])
    }

    @Test("A beginning is shown as soon as it is long enough, and goes on before the rest")
    func partial() throws {
        let part = Collector(.part(4))
        let after = Collector(.see)
        let sink = try Sink([part, after])
        sink.send("abc")
        #expect(part.seen.isEmpty && sink.passed.isEmpty)
        part.holds = true
        sink.send("def")
        #expect(part.seen == ["abcdef"])
        #expect(!sink.send("x"), "what follows waits outside")
        part.held?.resume()
        #expect(sink.exchange.collectedRequestBody == nil, "it is not all of it")
        sink.send("gh")
        sink.send("", last: true)
        #expect(sink.passed == ["head", "abcdef", "gh", "."])
        #expect(after.seen == ["abcdef", "gh", "."])
        #expect(sink.exchange.request.body == .chunked)
    }

    @Test("A body shorter than that is whole")
    func short() throws {
        let part = Collector(.part(10))
        let sink = try Sink([part])
        sink.send("abc")
        sink.send("d", last: true)
        #expect(part.seen == ["abcd."])
        #expect(sink.passed == ["head", "abcd."])
        #expect(sink.exchange.request.body == .exactly(4))
    }

    @Test("Behind a beginning the whole may be collected, and filters between see it once")
    func partialThenWhole() throws {
        let part = Collector(.part(2))
        let between = Collector(.see)
        let whole = Collector(.whole)
        let after = Collector(.see)
        let sink = try Sink([part, between, whole, after])
        sink.send("abc")
        #expect(part.seen == ["abc"])
        #expect(between.seen == ["abc"])
        #expect(sink.passed.isEmpty)
        sink.send("de")
        sink.send("f", last: true)
        #expect(whole.seen == ["abcdef."])
        #expect(between.seen == ["abc", "de", "f."])
        #expect(after.seen == ["abcdef."])
        #expect(sink.passed == ["head", "abcdef."])
        #expect(sink.exchange.collectedRequestBody == Array("abcdef".utf8))
    }

    @Test("A beginning and what follows are too long together: 413")
    func partialThenTooLong() throws {
        let sink = try Sink([Collector(.part(2)), Collector(.whole)])
        sink.send(String(repeating: "a", count: 60))
        sink.send(String(repeating: "b", count: 60))
        #expect(sink.status == 413)
        #expect(sink.passed.isEmpty)
    }

    @Test("What a filter before it makes of a piece waits while the beginning is judged", arguments: [true, false])
    func partialOfMany(trailers: Bool) throws {
        let part = Collector(.part(2))
        part.holds = true
        let after = Collector(.see)
        let sink = try Sink([Expander(), part, after])
        sink.send("a", last: !trailers)
        #expect(part.seen == ["<2>"])
        #expect(sink.passed.isEmpty)
        part.held?.resume()
        if trailers { sink.exchange.requestFlow.trailersReceived(sink.exchange) }
        let end = trailers ? [] : ["<2>", "<1>", "<0>."]
        #expect(sink.passed == ["head"] + (trailers ? ["<2>", "<1>", "<0>", "trailers"] : end))
        #expect(after.seen == (trailers ? ["<2>", "<1>", "<0>"] : end))
        #expect(sink.exchange.request.body == .chunked)
    }

    @Test("A body that comes a byte at a time is not copied anew for each")
    func bytewise() {
        var collection = BodyCollection()
        collection.open(limit: 100_000, allowsPartial: false)
        let piece = BodyChunk(ByteSlice(copying: [0x61]), isLast: false)
        var moves = 0
        for _ in 0..<100_000 {
            let before = collection.bytes.capacity
            let fits = collection.append(piece)
            #expect(fits)
            if collection.bytes.capacity != before { moves += 1 }
        }
        #expect(moves < 20)
        let fits = collection.append(piece)
        #expect(!fits, "it is beyond the limit")
    }

    @Test("A length that changes behind a collected body is not forgotten by a filter that waits further on")
    func lengthChangesBetween() throws {
        let waiting = Collector(.nothing)
        waiting.holds = true
        let sink = try Sink([Collector(.whole), Expander(), waiting])
        sink.send("abc", last: true)
        waiting.held?.resume()
        #expect(sink.passed == ["head", "<2>", "<1>", "<0>."])
        #expect(sink.exchange.request.body == .chunked)
    }

    @Test("A filter between one that collects and one that waits still sees the body")
    func waitBehind() throws {
        let whole = Collector(.whole)
        let between = Collector(.see)
        let waiting = Collector(.nothing)
        waiting.holds = true
        let sink = try Sink([whole, between, waiting])
        sink.send("abc", last: true)
        #expect(whole.seen == ["abc."])
        waiting.held?.resume()
        #expect(between.seen == ["abc."])
        #expect(sink.passed == ["head", "abc."])
    }
}
