internal import MartletCore
internal import MartletHTTP
internal import Testing

@Suite("How HTTP/2 connections and streams end")
struct HTTP2ShutdownTests {
    private func respond(_ pair: HTTP2Pair, _ stream: Int32) -> Bool {
        pair.server.session.sendResponse(responseHead(200), framing: .none, keepsLength: false, ended: true, on: stream)
    }

    /// RFC 9113 section 6.8: a notice, a while, the final word. Nothing under way is lost.
    @Test func drainsInTwoSteps() throws {
        let pair = try #require(HTTP2Pair())
        let one = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        pair.run()
        pair.server.session.announceShutdown()
        // What the client sent before it heard of it is still served.
        let two = try #require(pair.client.session.sendRequest(requestHead("GET", "/2"), ended: true, tag: 0))
        pair.server.receive(pair.client.flush())
        pair.run()
        #expect(pair.client.log.contains("goaway 2147483647 noError"))
        #expect(pair.client.session.state == .draining)
        #expect(!pair.client.session.canOpenStream)
        #expect(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0) == nil)
        pair.server.session.goAway(.noError)
        pair.run()
        #expect(pair.client.log.contains("goaway 3 noError"))
        #expect(respond(pair, one))
        #expect(respond(pair, two))
        pair.run()
        #expect(pair.client.log.suffix(2) == ["3 200 none .", "3 closed complete"])
        #expect(pair.server.session.openStreams == 0)
    }

    @Test func requestsBeyondGoAwayWereNotLookedAt() throws {
        let pair = try #require(HTTP2Pair())
        let one = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        pair.run()
        pair.server.session.goAway(.noError)
        let down = pair.server.flush()
        let two = try #require(pair.client.session.sendRequest(requestHead("GET", "/2"), ended: true, tag: 0))
        pair.server.receive(pair.client.flush())
        pair.client.receive(down)
        #expect(pair.client.log.suffix(2) == ["goaway 1 noError", "\(two) closed refused"])
        #expect(pair.server.log.last == "1 GET / http none host=example.test .")
        #expect(respond(pair, one))
        pair.run()
        #expect(pair.client.log.last == "1 closed complete")
    }

    @Test func refusedStreamsAreToldFromReset() throws {
        let pair = try #require(HTTP2Pair())
        let one = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        let two = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        pair.run()
        pair.server.session.reset(one, .refusedStream)
        pair.server.session.reset(two, .internalError)
        pair.run()
        #expect(
            pair.client.log.suffix(2) == [
                "1 closed refused", "3 closed resetByPeer(MartletHTTP.HTTP2Error.internalError)",
            ])
        #expect(
            pair.server.log.suffix(2) == [
                "1 closed reset(MartletHTTP.HTTP2Error.refusedStream)",
                "3 closed reset(MartletHTTP.HTTP2Error.internalError)",
            ])
        #expect(pair.server.session.counters.resetsProvoked == 0)
    }

    @Test func aResetDropsWhatIsQueued() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        pair.run()
        pair.client.session.sendData(ByteSlice(copying: [UInt8](repeating: 0, count: 100)), ended: false, on: stream)
        pair.client.session.reset(stream, .cancel)
        #expect(pair.client.session.queuedBytes(of: stream) == 0)
        pair.client.session.sendData(ByteSlice(copying: [1]), ended: true, on: stream)
        pair.run()
        #expect(pair.server.bodies[stream] == nil)
        #expect(pair.server.log.last == "1 closed resetByPeer(MartletHTTP.HTTP2Error.cancel)")
    }

    /// Its head is compressed, and so goes: without it the server's table would not be ours any more.
    @Test func aRequestResetBeforeItWentGoesAndIsReset() throws {
        let pair = try #require(HTTP2Pair())
        pair.run()
        let stream = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        pair.client.session.reset(stream, .cancel)
        pair.run()
        #expect(pair.client.log.last == "1 closed reset(MartletHTTP.HTTP2Error.cancel)")
        #expect(pair.server.log.last == "1 closed resetByPeer(MartletHTTP.HTTP2Error.cancel)")
    }

    @Test func pingsAreAnswered() throws {
        let pair = try #require(HTTP2Pair())
        pair.client.session.ping(0x0102_0304_0506_0708)
        pair.run()
        #expect(pair.client.log.last == "pong 72623859790382856")
        #expect(pair.server.session.counters.pings == 1)
    }

    /// More of our resets than are remembered; what the client had sent before it heard of them is no fault of its.
    @Test func trailersOfAStreamLongOver() throws {
        let many = HTTP2Settings(maxConcurrentStreams: 500)
        let side = try #require(HTTP2Side(.server, settings: many))
        side.receive(Raw.preface + Raw.settings())
        for number in 0..<200 { side.receive(Raw.request(UInt32(number) * 2 + 1, method: "POST", end: false)) }
        for number in 0..<200 { side.session.reset(Int32(number) * 2 + 1, .cancel) }
        side.walk([])
        for number in 0..<200 { side.receive(Raw.headers(UInt32(number) * 2 + 1, Raw.block([("a", "b")]))) }
        #expect(side.session.state == .open)
        #expect(side.session.counters.strayFrames == 200)
    }

    @Test func aFailureClosesEveryStream() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        pair.run()
        pair.server.session.goAway(.enhanceYourCalm)
        pair.run()
        #expect(pair.server.log.last == "1 closed failed(MartletHTTP.HTTP2Error.enhanceYourCalm)")
        #expect(pair.server.session.state == .failed(.ended, .enhanceYourCalm))
        #expect(pair.client.log.contains("goaway 1 enhanceYourCalm"))
        #expect(!pair.server.session.wantsFlush)
        #expect(pair.server.session.openStreams == 0)
        #expect(!pair.server.session.sendTrailers(fieldTable([("a", "b")]), on: stream))
    }

    @Test func theClientKeepsToTheServersStreams() throws {
        let pair = try #require(HTTP2Pair(settings: HTTP2Settings(maxConcurrentStreams: 2)))
        pair.run()
        for _ in 0..<2 { _ = pair.client.session.sendRequest(requestHead(), ended: true, tag: 0) }
        #expect(!pair.client.session.canOpenStream)
        pair.run()
        #expect(respond(pair, 1))
        pair.run()
        #expect(pair.client.session.canOpenStream)
    }

    @Test(arguments: [
        ("", HTTP2Preface.Match.partial), ("PRI", .partial), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .yes),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", .yes), ("GET / HTTP/1.1\r\n", .no), ("PRI * HTTP/2.0\r\n\r\nSN", .no),
        ("P", .partial), ("PU", .no),
    ])
    func preface(_ text: String, _ match: HTTP2Preface.Match) {
        #expect(HTTP2Preface.match(Array(text.utf8).span) == match)
    }
}
