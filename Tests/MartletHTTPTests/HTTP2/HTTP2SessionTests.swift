internal import MartletCore
internal import MartletHTTP
internal import Testing

@Suite("HTTP/2 sessions, two of them talking")
struct HTTP2SessionTests {
    /// One exchange of each shape, every flush cut at `cut`; what both sides saw.
    private func exchanges(cut: Int?) throws -> [String] {
        let pair = try #require(HTTP2Pair())
        let (client, server) = (pair.client.session, pair.server.session)
        let first = client.sendRequest(
            requestHead("GET", "/a?b=c", [("Accept", "*/*"), ("cookie", "a=1"), ("te", "trailers")]), ended: true,
            tag: 1)
        let second = client.sendRequest(
            requestHead("POST", "/up", body: .exactly(11), scheme: .https, [("content-length", "11")]), ended: false,
            tag: 2)
        let third = client.sendRequest(requestHead("PUT", "/chunks", body: .chunked), ended: false, tag: 3)
        let one = try #require(first)
        let two = try #require(second)
        let three = try #require(third)
        client.sendData(ByteSlice(copying: Array("hello ".utf8)), ended: false, on: two)
        pair.run(cut: cut)
        client.sendData(ByteSlice(copying: Array("world".utf8)), ended: true, on: two)
        client.sendData(ByteSlice(copying: Array("x".utf8)), ended: false, on: three)
        #expect(client.sendTrailers(fieldTable([("checksum", "1")]), on: three))
        pair.run(cut: cut)
        #expect(server.sendInformational(responseHead(103, [("link", "</style>")]), on: one))
        #expect(server.sendResponse(responseHead(204), framing: .none, keepsLength: false, ended: true, on: one))
        #expect(
            server.sendResponse(
                responseHead(200, [("Content-Type", "text/plain"), ("connection", "close")]), framing: .chunked,
                keepsLength: false, ended: false, on: two))
        server.sendData(ByteSlice(copying: Array("body".utf8)), ended: false, on: two)
        #expect(server.sendTrailers(fieldTable([("grpc-status", "0")]), on: two))
        #expect(server.sendResponse(responseHead(500), framing: .none, keepsLength: false, ended: true, on: three))
        pair.run(cut: cut)
        return pair.server.log + ["--"] + pair.client.log
    }

    private let expected = [
        "settings",
        "1 GET /a?b=c http none host=example.test accept=*/* cookie=a=1 te=trailers .",
        "3 POST /up https exactly(11) host=example.test content-length=11",
        "5 PUT /chunks http chunked host=example.test",
        "3 body hello world.",
        "5 body x. checksum=1",
        "1 closed complete", "5 closed complete", "3 closed complete", "--", "settings",
        "1 informational 103 none link=</style>", "1 204 none .", "1 closed complete",
        "3 200 chunked content-type=text/plain", "5 500 none .", "5 closed complete", "3 body body. grpc-status=0",
        "3 closed complete",
    ]

    @Test func everyShapeOfMessage() throws {
        #expect(try exchanges(cut: nil) == expected)
    }

    @Test func everyCutGivesTheSame() throws {
        for cut in 1..<260 { #expect(try exchanges(cut: cut) == expected, "cut at \(cut)") }
    }

    @Test func splitCookiesBecomeOneField() throws {
        let pair = try #require(HTTP2Pair())
        _ = pair.client.session.sendRequest(
            requestHead("GET", "/", [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]), ended: true,
            tag: 0)
        pair.run()
        #expect(pair.server.log.last == "1 GET / http none host=example.test cookie=a=1; b=2; c=3 x=y .")
    }

    /// RFC 9113 section 8.2: names of HTTP/1.1 in whatever case, and what concerned its connection only.
    @Test func headsOfHTTP1GoOn() throws {
        let pair = try #require(HTTP2Pair())
        let text = """
            GET /a HTTP/1.1\r\nHost: t\r\nX-Odd_Name: V\r\nUser-Agent: U\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
            Connection: close, X-Drop\r\nX-Drop: 1\r\nContent-Length: 0\r\n\r\n
            """
        var decoder = HTTP1RequestDecoder(limits: HTTP1Limits())
        let head = RequestHead()
        guard case .head = decoder.decode(Array(text.utf8).span, into: head, trailers: HeaderTable()).event else {
            Issue.record("no head")
            return
        }
        #expect(pair.client.session.sendRequest(head, ended: true, tag: 0) == 1)
        pair.run()
        #expect(
            pair.server.log.last == "1 GET /a http exactly(0) host=t x-odd_name=V user-agent=U content-length=0 .")
        // And back: what came by HTTP/2 is written for an HTTP/1.1 server.
        let request = try #require(pair.server.requests[1])
        let out = ByteBuffer(capacity: HTTP1Encoder.sizeBound(request))
        #expect(HTTP1Encoder.encode(request, into: out))
        #expect(
            String(decoding: out.bytes().array(), as: UTF8.self)
                == "GET /a HTTP/1.1\r\nhost: t\r\nx-odd_name: V\r\nuser-agent: U\r\ncontent-length: 0\r\n\r\n")
    }

    /// RFC 8441: what HTTP/1.1 calls an upgrade, there and back.
    @Test func extendedConnect() throws {
        let pair = try #require(HTTP2Pair())
        let head = requestHead(
            "GET", "/chat", scheme: .https,
            [("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "k")])
        head.asksForUpgrade = true
        #expect(pair.client.session.sendRequest(head, ended: false, tag: 0) == nil, "the server has not allowed it yet")
        pair.run()
        #expect(pair.client.session.peerAllowsExtendedConnect)
        let stream = try #require(pair.client.session.sendRequest(head, ended: false, tag: 0))
        pair.run()
        #expect(
            pair.server.log.last
                == "1 GET /chat https none upgrade host=example.test sec-websocket-version=13 upgrade=websocket")
        #expect(
            pair.server.session.sendResponse(
                responseHead(200), framing: .chunked, keepsLength: false, ended: false, on: stream))
        pair.server.session.sendData(ByteSlice(copying: Array("down".utf8)), ended: true, on: stream)
        pair.client.session.sendData(ByteSlice(copying: Array("up".utf8)), ended: true, on: stream)
        pair.run()
        #expect(pair.server.log.suffix(2) == ["1 body up.", "1 closed complete"])
        #expect(pair.client.log.suffix(3) == ["1 200 chunked", "1 body down.", "1 closed complete"])
    }

    @Test func plainConnect() throws {
        let pair = try #require(HTTP2Pair())
        _ = pair.client.session.sendRequest(
            requestHead("CONNECT", "db.test:5432", host: "db.test:5432"), ended: false, tag: 0)
        pair.run()
        #expect(pair.server.log.last == "1 CONNECT db.test:5432 http none host=db.test:5432")
    }

    @Test func headHasALengthAndNoBody() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(pair.client.session.sendRequest(requestHead("HEAD"), ended: true, tag: 0))
        pair.run()
        #expect(
            pair.server.session.sendResponse(
                responseHead(200, [("content-length", "42")]), framing: .none, keepsLength: true, ended: true,
                on: stream))
        pair.run()
        #expect(pair.client.log.suffix(2) == ["1 200 none content-length=42 .", "1 closed complete"])
    }

    @Test func tagsComeWithEvents() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 41))
        pair.run()
        #expect(
            pair.server.session.sendResponse(
                responseHead(200), framing: .none, keepsLength: false, ended: true, on: stream)
        )
        let bytes = pair.server.flush()
        #expect(pair.client.session.receive(bytes.span, now: pair.client.now) == bytes.count)
        let event = try #require(pair.client.session.nextEvent())
        #expect(event.tag == 41)
    }

    @Test func largeBodyIsSharedAndKeepsToTheWindow() throws {
        let pair = try #require(HTTP2Pair(settings: HTTP2Settings(streamWindow: 65_535)))
        pair.server.consumes = false
        let stream = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        let body = [UInt8](repeating: 0x61, count: 200_000)
        pair.client.session.sendData(ByteSlice(copying: body), ended: true, on: stream)
        pair.run()
        #expect(pair.client.session.queuedBytes(of: stream) == 200_000 - 65_535)
        #expect(pair.client.session.isStalled(stream))
        #expect(pair.client.output.shared >= 4)
        pair.server.consumes = true
        pair.server.session.consumed(65_535, of: stream)
        pair.run()
        #expect(!pair.client.session.isStalled(stream))
        #expect(pair.server.bodies[stream]?.utf8.count == 200_000)
        #expect(pair.server.log.last?.hasSuffix("aaa.") == true)
    }

    /// RFC 9113 section 6.9.2: settings may take back what was given, below zero; nothing is sent until it is made up for.
    @Test func aWindowBelowZero() throws {
        let side = try #require(HTTP2Side(.server))
        side.receive(Raw.preface + Raw.settings([(4, 1000)]) + Raw.request(1))
        #expect(
            side.session.sendResponse(responseHead(200), framing: .chunked, keepsLength: false, ended: false, on: 1))
        side.session.sendData(ByteSlice(copying: [UInt8](repeating: 0x61, count: 600)), ended: false, on: 1)
        _ = side.flush()
        side.session.sendData(ByteSlice(copying: [UInt8](repeating: 0x61, count: 600)), ended: true, on: 1)
        side.receive(Raw.settings([(4, 100)]))
        func data() -> [Int] { Raw.frames(side.flush()).filter { $0.type == 0 }.map { $0.payload.count } }
        #expect(data() == [])
        #expect(side.session.isStalled(1))
        side.receive(Raw.windowUpdate(1, 500))
        #expect(data() == [])
        side.receive(Raw.windowUpdate(1, 1))
        #expect(data() == [1])
        side.receive(Raw.settings([(4, 1000)]))
        #expect(data() == [599])
        #expect(side.log.last == "1 closed complete")
    }

    @Test func anIdleConnectionGivesItsMemoryBack() throws {
        let pair = try #require(HTTP2Pair())
        for round in 0..<3 {
            let stream = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: round))
            pair.run()
            pair.server.session.trim()
            #expect(pair.server.session.heldHeadBytes > 0, "not while a stream is open")
            #expect(
                pair.server.session.sendResponse(
                    responseHead(200), framing: .exactly(1), keepsLength: false, ended: false, on: stream))
            pair.server.session.sendData(ByteSlice(copying: [0x61]), ended: true, on: stream)
            pair.run()
            pair.server.session.trim()
            pair.client.session.trim()
            #expect(pair.server.session.heldHeadBytes == 0)
            #expect(pair.client.session.heldHeadBytes == 0)
            #expect(pair.client.log.last == "\(stream) closed complete")
        }
    }

    @Test func tellsWhenAQueueHasDrained() throws {
        let pair = try #require(HTTP2Pair(settings: HTTP2Settings(streamWindow: 65_535)))
        pair.server.consumes = false
        let stream = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        pair.run()
        pair.client.session.sendData(
            ByteSlice(copying: [UInt8](repeating: 0x61, count: 100_000)), ended: false, on: stream)
        pair.client.session.askDrained(stream)
        pair.run()
        #expect(pair.client.log == ["settings"])
        pair.server.session.consumed(65_535, of: stream)
        pair.run()
        #expect(pair.client.log == ["settings", "1 drained"])
        pair.client.session.askDrained(stream)
        pair.client.walk([])
        #expect(pair.client.log == ["settings", "1 drained", "1 drained"])
    }

    /// Half of a window at a time, and the connection's with the stream's.
    @Test func windowUpdatesComeByHalves() throws {
        let settings = HTTP2Settings(streamWindow: 100_000, connectionWindow: 200_000)
        let side = try #require(HTTP2Side(.server, settings: settings))
        side.consumes = false
        side.receive(Raw.preface + Raw.settings() + Raw.frame(.settings, flags: Raw.ack, 0))
        _ = side.flush()
        side.receive(Raw.request(1, method: "POST", end: false))
        for _ in 0..<6 { side.receive(Raw.frame(.data, 1, [UInt8](repeating: 0x61, count: 16_000))) }
        func updates() -> [String] { Raw.frames(side.flush()).map { "\($0.type) \($0.stream) \($0.word(at: 0))" } }
        #expect(updates() == [])
        side.session.consumed(49_999, of: 1)
        #expect(updates() == [])
        side.session.consumed(1, of: 1)
        #expect(updates() == ["8 1 50000"])
        side.session.consumed(46_000, of: 1)
        #expect(updates() == [])
        side.session.consumed(1_000_000, of: 1)
        #expect(updates() == [], "no more than came")
    }

    @Test func aHeadThatIsNotWholeIsSeen() throws {
        let side = try #require(HTTP2Side(.server))
        side.receive(Raw.preface + Raw.settings())
        #expect(!side.session.isReceivingHead)
        side.receive(Raw.frame(.headers, 1, Raw.block(Raw.line())))
        #expect(side.session.isReceivingHead)
        side.receive(Raw.frame(.continuation, flags: Raw.endHeaders, 1))
        #expect(!side.session.isReceivingHead)
        side.receive(Array(Raw.request(3).prefix(12)))
        #expect(side.session.isReceivingHead)
    }

    /// In frames of 16 KiB, with nothing between them; beyond 1 MiB it is not sent.
    @Test func largeHeadsGoOn() throws {
        let limits = HTTP2Limits(head: 1 << 20, fields: 1000)
        let pair = try #require(HTTP2Pair(limits: limits, clientLimits: limits))
        let long = String(repeating: "~", count: 8000)
        let stream = try #require(
            pair.client.session.sendRequest(
                requestHead("GET", "/", (0..<12).map { ("a\($0)", long) }), ended: true, tag: 0))
        pair.run()
        #expect(pair.server.requests[stream]?.headers.count == 13)
        let larger = (0..<140).map { ("a\($0)", long) }
        #expect(pair.client.session.sendRequest(requestHead("GET", "/", larger), ended: true, tag: 0) == nil)
        #expect(
            !pair.server.session.sendResponse(
                responseHead(200, larger), framing: .none, keepsLength: false, ended: true, on: stream))
        #expect(
            pair.server.session.sendResponse(
                responseHead(200, (0..<100).map { ("a\($0)", long) }), framing: .none, keepsLength: false, ended: true,
                on: stream))
        pair.run()
        #expect(pair.client.log.last == "1 closed complete")
    }

    /// What the application never takes does not shrink the connection's window once the stream is gone.
    @Test func closedStreamsGiveTheirWindowBack() throws {
        let settings = HTTP2Settings(streamWindow: 65_535, connectionWindow: 65_535)
        let pair = try #require(HTTP2Pair(settings: settings))
        pair.server.consumes = false
        for _ in 0..<8 {
            let stream = try #require(
                pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
            pair.client.session.sendData(
                ByteSlice(copying: [UInt8](repeating: 0x61, count: 60_000)), ended: false, on: stream)
            pair.run()
            #expect(pair.client.session.queuedBytes(of: stream) == 0)
            pair.server.session.reset(stream, .cancel)
            pair.run()
            #expect(pair.client.log.last == "\(stream) closed resetByPeer(MartletHTTP.HTTP2Error.cancel)")
        }
    }

    @Test func flushStopsAtItsLimit() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        pair.client.session.sendData(
            ByteSlice(copying: [UInt8](repeating: 0x61, count: 100_000)), ended: true, on: stream)
        pair.run()
        _ = pair.client.session
        pair.client.session.sendData(ByteSlice(copying: [1]), ended: false, on: stream)
        let other = try #require(
            pair.client.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0))
        pair.client.session.sendData(
            ByteSlice(copying: [UInt8](repeating: 0x61, count: 60_000)), ended: true, on: other)
        let some = pair.client.flush(atMost: 10_000)
        #expect(some.count < 10_000 + 16_384 + 9)
        #expect(pair.client.session.wantsFlush)
    }

    /// Two responses of the same size get their turns, rather than one after the other.
    @Test func streamsTakeTurns() throws {
        let pair = try #require(HTTP2Pair())
        for _ in 0..<2 { _ = pair.client.session.sendRequest(requestHead(), ended: true, tag: 0) }
        pair.run()
        for stream: Int32 in [1, 3] {
            #expect(
                pair.server.session.sendResponse(
                    responseHead(200), framing: .chunked, keepsLength: false, ended: false, on: stream))
            pair.server.session.sendData(
                ByteSlice(copying: [UInt8](repeating: 0x61, count: 60_000)), ended: true, on: stream)
        }
        pair.client.receive(pair.server.flush(atMost: 70_000))
        let counts = [1, 3].map { pair.client.bodies[$0]?.utf8.count ?? 0 }
        #expect(counts[0] > 20_000 && counts[1] > 20_000, "\(counts)")
    }

    @Test func secretsAreNeverIndexed() throws {
        let client = try #require(HTTP2Side(.client))
        _ = client.session.sendRequest(requestHead("GET", "/", [("authorization", "x")]), ended: true, tag: 0)
        // RFC 7541 section 6.2.3: 0001 and the index of `authorization`, 23, in more than four bits.
        let bytes = client.flush()
        let literal: [UInt8] = [0x1F, 23 - 15]
        #expect(bytes.indices.dropLast().contains { bytes[$0] == literal[0] && bytes[$0 + 1] == literal[1] })
    }

    @Test(arguments: [
        [("bad name", "v")], [("n", "a\r\nb")], [("n", "a\0b")], [(":path", "/")], [("", "v")],
    ])
    func whatCannotBeSentIsNot(_ fields: [(String, String)]) throws {
        let pair = try #require(HTTP2Pair())
        pair.run()
        #expect(pair.client.session.sendRequest(requestHead("GET", "/", fields), ended: true, tag: 0) == nil)
        let stream = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 0))
        pair.run()
        let session = pair.server.session
        #expect(
            !session.sendResponse(
                responseHead(200, fields), framing: .none, keepsLength: false, ended: true, on: stream))
        #expect(!session.sendInformational(responseHead(103, fields), on: stream))
        #expect(
            session.sendResponse(responseHead(200), framing: .chunked, keepsLength: false, ended: false, on: stream))
        #expect(!session.sendTrailers(fieldTable(fields), on: stream))
        session.sendData(ByteSlice(copying: []), ended: true, on: stream)
        pair.run()
        #expect(pair.client.log.suffix(3) == ["1 200 chunked", "1 body .", "1 closed complete"])
    }
}
