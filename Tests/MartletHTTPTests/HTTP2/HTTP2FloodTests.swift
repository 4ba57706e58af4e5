internal import MartletCore
internal import MartletHTTP
internal import Testing

/// What a peer may repeat, how it is counted, and what is done about too much of it.
struct Flood: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Comes once, before.
    var before: [UInt8] = []
    /// The `n`th repetition, from 0.
    let frame: @Sendable (UInt32) -> [UInt8]
    let fault: HTTP2Fault
    let count: @Sendable (HTTP2Counters) -> UInt64
    /// So many are let pass.
    let burst: UInt64
    /// Counted as such when its answer is sent.
    var isOutput = false

    static let all: [Flood] = [
        .init(
            testDescription: "rapid reset", frame: { Raw.request($0 * 2 + 1, end: false) + Raw.reset($0 * 2 + 1) },
            fault: .rapidReset, count: { $0.resetsReceived }, burst: 8),
        .init(
            testDescription: "rapid reset of complete requests",
            frame: { Raw.request($0 * 2 + 1) + Raw.reset($0 * 2 + 1) },
            fault: .rapidReset, count: { $0.resetsReceived }, burst: 8),
        .init(
            testDescription: "malformed requests",
            frame: { Raw.request($0 * 2 + 1, [("connection", "close")]) }, fault: .provokedResets,
            count: { $0.resetsProvoked }, burst: 8, isOutput: true),
        .init(
            testDescription: "bodies that do not fit their length",
            frame: {
                Raw.request($0 * 2 + 1, [("content-length", "1")], method: "POST", end: false)
                    + Raw.data($0 * 2 + 1, "ab")
            }, fault: .provokedResets, count: { $0.resetsProvoked }, burst: 8, isOutput: true),
        .init(
            testDescription: "windows made too large",
            frame: { Raw.request($0 * 2 + 1, method: "POST", end: false) + Raw.windowUpdate($0 * 2 + 1, 0x7FFF_FFFF) },
            fault: .provokedResets, count: { $0.resetsProvoked }, burst: 8, isOutput: true),
        .init(
            testDescription: "trailers with too many fields",
            frame: {
                Raw.request($0 * 2 + 1, method: "POST", end: false)
                    + Raw.headers($0 * 2 + 1, [UInt8](repeating: 0x90, count: 101))
            }, fault: .provokedResets, count: { $0.resetsProvoked }, burst: 8),
        .init(
            testDescription: "SETTINGS", frame: { _ in Raw.settings() }, fault: .settingsFlood, count: { $0.settings },
            burst: 8),
        .init(
            testDescription: "GOAWAY", frame: { _ in Raw.frame(.goAway, 0, Raw.word(0) + Raw.word(0)) },
            fault: .settingsFlood, count: { $0.settings }, burst: 8),
        .init(
            testDescription: "PING", frame: { _ in Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }, fault: .pingFlood,
            count: { $0.pings }, burst: 8),
        .init(
            testDescription: "answers to no PING",
            frame: { _ in Raw.frame(.ping, flags: Raw.ack, 0, [1, 2, 3, 4, 5, 6, 7, 8]) },
            fault: .pingFlood, count: { $0.pings }, burst: 8),
        .init(
            testDescription: "empty DATA", before: Raw.request(1, method: "POST", end: false),
            frame: { _ in Raw.data(1) },
            fault: .emptyDataFlood, count: { $0.emptyData }, burst: 8),
        .init(
            testDescription: "DATA of padding", before: Raw.request(1, method: "POST", end: false),
            frame: { _ in Raw.frame(.data, flags: Raw.padded, 1, [3, 0, 0, 0]) }, fault: .emptyDataFlood,
            count: { $0.emptyData }, burst: 8),
        .init(
            testDescription: "PRIORITY", frame: { Raw.frame(.priority, $0 * 2 + 1, Raw.word(0) + [1]) },
            fault: .priorityFlood, count: { $0.priorities }, burst: 8),
        .init(
            testDescription: "PRIORITY_UPDATE",
            frame: { _ in Raw.frame(.priorityUpdate, 0, Raw.word(1) + Array("u=1".utf8)) },
            fault: .priorityFlood, count: { $0.priorities }, burst: 8),
        .init(
            testDescription: "WINDOW_UPDATE", frame: { _ in Raw.windowUpdate(0, 1) }, fault: .windowUpdateFlood,
            count: { $0.windowUpdates }, burst: 8),
        .init(
            testDescription: "unknown frames", frame: { _ in Raw.frame(.unknown, 0, [1]) }, fault: .unknownFrameFlood,
            count: { $0.unknownFrames }, burst: 8),
        .init(
            testDescription: "resets of nothing", before: Raw.request(1) + Raw.reset(1), frame: { _ in Raw.reset(1) },
            fault: .strayFrameFlood, count: { $0.strayFrames }, burst: 8),
        .init(
            testDescription: "streams beyond the limit",
            before: (UInt32(0)..<100).reduce([]) { $0 + Raw.request($1 * 2 + 1, end: false) },
            frame: { Raw.request(201 + $0 * 2) }, fault: .refusedStreamFlood, count: { $0.refusedStreams }, burst: 8),
    ]
}

@Suite("HTTP/2 floods")
struct HTTP2FloodTests {
    private static func limits(head: Int = 65_536) -> HTTP2Limits {
        let few = HTTP2Allowance(burst: 8, perSecond: 2)
        return HTTP2Limits(
            head: head, resets: few, provokedResets: few, settings: few, pings: few, emptyData: few, priorities: few,
            windowUpdates: few, unknownFrames: few, strayFrames: few, refusedStreams: few)
    }

    private func opened(_ limits: HTTP2Limits = HTTP2FloodTests.limits(), streams: UInt32 = 100) throws -> HTTP2Side {
        let side = try #require(
            HTTP2Side(.server, settings: HTTP2Settings(maxConcurrentStreams: streams), limits: limits))
        side.receive(Raw.preface + Raw.settings() + Raw.frame(.settings, flags: Raw.ack, 0))
        _ = side.flush()
        return side
    }

    @Test(arguments: Flood.all)
    func isCountedAndEnds(_ flood: Flood) throws {
        let side = try opened()
        side.receive(flood.before)
        let before = flood.count(side.session.counters)
        for number in 0..<40 where side.session.state == .open || side.session.state == .draining {
            side.receive(flood.frame(UInt32(number)))
            _ = flood.isOutput ? side.flush() : []
        }
        let frames = Raw.frames(side.flush())
        #expect(side.session.state == .failed(flood.fault, .enhanceYourCalm))
        if !flood.isOutput { #expect(HTTP2Outcome(frames) == .connection(.enhanceYourCalm)) }
        // What opens a stream earns some of these; none is let pass much longer.
        let count = flood.count(side.session.counters) - before
        #expect(count > flood.burst - 2 && count <= flood.burst + 12, "\(count)")
        #expect(side.session.openStreams == 0)
        #expect(side.session.receive(flood.frame(50).span, now: side.now) == flood.frame(50).count)
        #expect(side.session.nextEvent() == nil)
    }

    /// The same, no faster than allowed, goes on for ever.
    @Test(arguments: Flood.all)
    func isAllowedSlowly(_ flood: Flood) throws {
        let side = try opened()
        side.receive(flood.before)
        for number in 0..<100 {
            side.now = side.now + .milliseconds(500)
            side.receive(flood.frame(UInt32(number)))
            _ = side.flush()
        }
        #expect(side.session.state == .open || side.session.state == .draining)
    }

    @Test func defaultsAllowWhatClientsDo() throws {
        let side = try opened(HTTP2Limits(), streams: 1000)
        // A thousand calls, each with messages, window updates and a PING now and then; half of them are cancelled.
        for number: UInt32 in 0..<1000 {
            let stream = number * 2 + 1
            side.receive(Raw.request(stream, method: "POST", end: false) + Raw.data(stream, "message"))
            side.receive(Raw.windowUpdate(0, 100) + Raw.windowUpdate(stream, 100))
            side.receive(Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
            if number % 2 == 0 { side.receive(Raw.reset(stream)) }
            side.now = side.now + .milliseconds(1)
            _ = side.flush()
        }
        #expect(side.session.state == .open)
        #expect(side.session.counters.resetsReceived == 500)
    }

    @Test(
        arguments: [
            // Frames of a block that goes on and on, each with a field, with a little of one, or with nothing.
            ([UInt8](), UInt64(4)), (Raw.literal("a", "b"), 18), ([UInt8](repeating: 0x82, count: 16_000), 10),
        ] as [([UInt8], UInt64)])
    func continuationsEnd(_ payload: [UInt8], _ most: UInt64) throws {
        let side = try opened()
        side.receive(Raw.frame(.headers, 1, Raw.block(Raw.line())))
        for _ in 0..<64 where side.session.state == .open { side.receive(Raw.frame(.continuation, 1, payload)) }
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .connection(.enhanceYourCalm))
        #expect(side.session.state == .failed(.continuationFlood, .enhanceYourCalm))
        #expect(side.session.counters.continuations <= most)
    }

    /// Also when nobody looks at the block any more.
    @Test func continuationsOfARefusedBlockEnd() throws {
        let side = try opened(streams: 1)
        side.receive(Raw.request(1, method: "POST", end: false))
        side.receive(Raw.frame(.headers, 3, Raw.block(Raw.line())))
        for _ in 0..<64 where side.session.state == .open {
            side.receive(Raw.frame(.continuation, 3, Raw.literal("a", "b")))
        }
        #expect(side.session.state == .failed(.continuationFlood, .enhanceYourCalm))
    }

    @Test func refusedStreamsAreCounted() throws {
        let side = try opened(HTTP2Limits(), streams: 1)
        side.receive(Raw.request(1, end: false) + Raw.request(3) + Raw.request(5))
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .stream(3, .refusedStream))
        #expect(side.session.counters.refusedStreams == 2)
        #expect(side.session.counters.resetsProvoked == 0)
    }

    /// A peer that sends and does not read: what we would answer piles up only so far.
    @Test func answersNobodyTakesEnd() throws {
        let many = HTTP2Allowance(burst: 1_000_000, perSecond: 1)
        let side = try opened(HTTP2Limits(queuedFrames: 50, settings: many, pings: many))
        for _ in 0..<100 where side.session.state == .open {
            side.receive(Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
        }
        #expect(side.session.state == .failed(.outputFlood, .enhanceYourCalm))
        #expect(side.session.counters.pings <= 60)
        let other = try opened(HTTP2Limits(queuedFrames: 50, settings: many, pings: many))
        for _ in 0..<100 where other.session.state == .open { other.receive(Raw.settings()) }
        #expect(other.session.state == .failed(.outputFlood, .enhanceYourCalm))
    }

    // MARK: Heads

    @Test func aHeadBeyondTheLimitIsToldAndTheConnectionGoesOn() throws {
        let side = try opened(HTTP2Limits(head: 1000))
        side.receive(Raw.request(1, [("a", String(repeating: "x", count: 1200))]))
        side.receive(Raw.request(3))
        #expect(side.log.suffix(2) == ["1 refused: headTooLarge", "3 GET / http none host=t ."])
        #expect(side.session.counters.headsTooLarge == 1)
        #expect(HTTP2Fault.headTooLarge.status == 431)
        #expect(
            side.session.sendResponse(responseHead(431), framing: .none, keepsLength: false, ended: true, on: 1))
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .accepted)
    }

    /// Behind another request in the same read, where what is not there would lie before the text that is.
    @Test(arguments: [
        [(":scheme", 1200)], [(":method", 3), (":scheme", 1200)], [(":method", 3), (":scheme", 4), (":path", 1200)],
        [(":path", 1), ("a", 1200)],
    ])
    func aHeadIsCutBeforeItsLineIsWhole(_ fields: [(String, Int)]) throws {
        let side = try opened(HTTP2Limits(head: 1000))
        let block = fields.map { ($0.0, String(repeating: $0.0 == ":path" ? "/" : "x", count: $0.1)) }
        side.receive(Raw.request(1) + Raw.headers(3, Raw.block(block)) + Raw.request(5))
        #expect(side.log.suffix(2) == ["3 refused: headTooLarge", "5 GET / http none host=t ."])
    }

    @Test func tooManyFieldsAreTold() throws {
        let side = try opened(HTTP2Limits(fields: 10))
        side.receive(Raw.request(1, (0..<11).map { ("a\($0)", "b") }))
        side.receive(Raw.request(3, (0..<10).map { ("a\($0)", "b") }))
        #expect(side.log.dropLast().last == "1 refused: tooManyFields")
        #expect(side.log.last?.hasPrefix("3 GET") == true)
    }

    @Test func aHeadFarBeyondTheLimitEndsItsStream() throws {
        let side = try opened(HTTP2Limits(head: 1000))
        side.receive(Raw.request(1, [("a", String(repeating: "x", count: 3000))]))
        side.receive(Raw.request(3))
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .stream(1, .enhanceYourCalm))
        #expect(side.log.contains("3 GET / http none host=t ."))
    }

    /// One byte stands for a field of 4,000: 16,000 of them would be 64 MB.
    @Test func aBombDoesNotGoOff() throws {
        let side = try opened(HTTP2Limits())
        side.receive(
            Raw.headers(1, Raw.block(Raw.line()) + Raw.literal("a", String(repeating: "x", count: 4000), indexed: true))
        )
        for stream in stride(from: UInt32(3), to: 63, by: 2) {
            side.receive(Raw.headers(stream, Raw.block(Raw.line()) + [UInt8](repeating: 0xBE, count: 16_000)))
            #expect(HTTP2Outcome(Raw.frames(side.flush())) == .stream(stream, .enhanceYourCalm))
        }
        #expect(side.session.heldHeadBytes < 1 << 20)
        // Nor may it be tried again and again.
        for stream in stride(from: UInt32(63), to: 1063, by: 2) where side.session.state == .open {
            side.receive(Raw.headers(stream, Raw.block(Raw.line()) + [UInt8](repeating: 0xBE, count: 16_000)))
            #expect(side.session.heldHeadBytes < 1 << 20)
            _ = side.flush()
        }
        #expect(side.session.state == .failed(.provokedResets, .enhanceYourCalm))
    }

    /// Heads within their limits: a read expands into so many and no more, and the caller walks them before it goes on.
    @Test func oneReadExpandsOnlySoFar() throws {
        let side = try opened(HTTP2Limits(), streams: 1000)
        side.receive(
            Raw.headers(1, Raw.block(Raw.line()) + Raw.literal("a", String(repeating: "x", count: 4000), indexed: true))
        )
        let block = Raw.block(Raw.line()) + [UInt8](repeating: 0xBE, count: 15)
        let input = (1..<200).flatMap { Raw.headers(UInt32($0) * 2 + 1, block) }
        var taken = 0
        var batches = 0
        while taken < input.count {
            let rest = Array(input[taken...])
            let count = side.session.receive(rest.span, now: side.now)
            #expect(count > 0)
            taken += count
            batches += 1
            #expect(side.session.heldHeadBytes < 1 << 20)
            side.walk(rest)
        }
        #expect(batches > 20)
        #expect(side.log.count(where: { $0.contains(" GET ") }) == 200)
    }

    /// The requests of others are on the same connection.
    @Test func badResponsesEndTheirStreamsOnly() throws {
        let client = try #require(HTTP2Side(.client, limits: Self.limits()))
        client.receive(Raw.settings())
        for number in UInt32(0)..<100 {
            _ = client.session.sendRequest(requestHead(), ended: true, tag: 0)
            _ = client.flush()
            let stream = number * 2 + 1
            client.receive(Raw.headers(stream, Raw.block([(":status", "200"), ("connection", "close")])))
            #expect(HTTP2Outcome(Raw.frames(client.flush())) == .stream(stream, .protocolError))
        }
        #expect(client.session.state == .open)
        #expect(client.session.counters.resetsProvoked == 100)
    }

    @Test func tooManyInformationalResponsesEndTheStream() throws {
        let client = try #require(HTTP2Side(.client, limits: HTTP2Limits(informational: 3)))
        _ = client.session.sendRequest(requestHead(), ended: true, tag: 0)
        _ = client.flush()
        client.receive(Raw.settings())
        for _ in 0..<4 { client.receive(Raw.headers(1, Raw.block([(":status", "103")]), end: false)) }
        #expect(client.log.count(where: { $0.contains("informational") }) == 3)
        #expect(HTTP2Outcome(Raw.frames(client.flush())) == .stream(1, .enhanceYourCalm))
    }

    /// A peer's table size does not make ours grow beyond what we want.
    @Test func theEncodersTableIsBounded() throws {
        let side = try opened()
        side.receive(Raw.settings([(1, 0x7FFF_FFFF)]) + Raw.request(1))
        let fields = (0..<400).map { ("name-\($0)", String(repeating: "v", count: 100)) }
        #expect(
            side.session.sendResponse(
                responseHead(200, fields), framing: .none, keepsLength: false, ended: true, on: 1))
        _ = side.flush()
        #expect(side.session.encoderTableBytes <= 4096)
    }
}
