internal import MartletHTTP

/// RFC 9113 section 5: what may come on a stream in which state.
extension ConformanceCase {
    private static func ok(_ stream: UInt32, end: Bool = true) -> [UInt8] {
        Raw.headers(stream, Raw.block([(":status", "200")]), end: end)
    }

    static let streams: [ConformanceCase] = [
        // MARK: 5.1
        .init("5.1 idle: DATA", Raw.data(1, "x"), is: .connection(.protocolError)),
        .init(
            "5.1 idle: CONTINUATION", Raw.frame(.continuation, flags: Raw.endHeaders, 1, Raw.block(Raw.line())),
            is: .connection(.protocolError)),
        .init("5.1 half closed: DATA", Raw.request(1), Raw.data(1, "x"), is: .connection(.streamClosed)),
        .init("5.1 half closed: HEADERS", Raw.request(1), Raw.request(1), is: .connection(.streamClosed)),
        .init("5.1 half closed: WINDOW_UPDATE", Raw.request(1), Raw.windowUpdate(1, 1)),
        .init("5.1 half closed: PRIORITY", Raw.request(1), Raw.frame(.priority, 1, Raw.word(0) + [1])),
        .init("5.1 half closed: RST_STREAM", Raw.request(1), Raw.reset(1)),
        .init(
            "5.1 closed by RST_STREAM: DATA", Raw.request(1, end: false), Raw.reset(1), Raw.data(1, "x"),
            is: .connection(.streamClosed)),
        .init(
            "5.1 closed by RST_STREAM: HEADERS", Raw.request(1, end: false), Raw.reset(1), Raw.request(1),
            is: .connection(.streamClosed)),
        .init("5.1 closed by RST_STREAM: another", Raw.request(1, end: false), Raw.reset(1), Raw.reset(1)),
        .init(
            "5.1 trailers", Raw.request(1, method: "POST", end: false), Raw.data(1, "x"),
            Raw.headers(1, Raw.block([("a", "b")])),
            last: "1 body x. a=b"),
        .init(
            "5.1 trailers without body", Raw.request(1, method: "POST", end: false),
            Raw.headers(1, Raw.block([("a", "b")])),
            last: "1 body . a=b"),
        .init(
            "8.1 HEADERS in the middle that end nothing", Raw.request(1, method: "POST", end: false),
            Raw.headers(1, Raw.block([("a", "b")]), end: false), is: .stream(1, .protocolError)),

        // MARK: 5.1.1
        .init("5.1.1 an even number", Raw.request(2), is: .connection(.protocolError)),
        .init("5.1.1 a number smaller than the last", Raw.request(5), Raw.request(3), is: .connection(.protocolError)),
        .init("5.1.1 a gap", Raw.request(1), Raw.request(101), last: "101 GET / http none host=t ."),

        // MARK: 5.1.2
        .init(
            "5.1.2 a hundred streams", Raw.frame(.settings, flags: Raw.ack, 0),
            (0..<100).flatMap { Raw.request(UInt32($0) * 2 + 1) }),
        .init(
            "5.1.2 one too many", Raw.frame(.settings, flags: Raw.ack, 0),
            (0..<101).flatMap { Raw.request(UInt32($0) * 2 + 1) },
            is: .stream(201, .refusedStream)),
        .init(
            "5.1.2 one too many before it can know", (0..<101).flatMap { Raw.request(UInt32($0) * 2 + 1) },
            is: .stream(201, .refusedStream)),
        .init(
            "5.1.2 what follows a refused stream is passed over", (0..<100).flatMap { Raw.request(UInt32($0) * 2 + 1) },
            Raw.request(201, method: "POST", end: false), Raw.data(201, "x"), Raw.headers(201, Raw.block([("a", "b")])),
            is: .stream(201, .refusedStream)),

        // MARK: A client's view
        .init("5.1 response", ok(1), to: .client, last: "1 closed complete"),
        .init("5.1 response on an idle stream", ok(7), to: .client, is: .connection(.protocolError)),
        .init("5.1 response on an even stream", ok(2), to: .client, is: .connection(.protocolError)),
        .init("5.1 DATA before the response", Raw.data(1, "x"), to: .client, is: .connection(.protocolError)),
        .init("5.1 DATA behind the end", ok(1), Raw.data(1, "x"), to: .client, is: .connection(.streamClosed)),
        .init("5.1 HEADERS behind the end", ok(1), ok(1), to: .client, is: .connection(.streamClosed)),
        .init(
            "5.1 DATA behind the end, our side open", ok(3), Raw.data(3, "x"), to: .client,
            is: .connection(.streamClosed)),
        .init("8.1 response before the request ended", ok(3), to: .client, last: "3 200 none ."),
    ]
}
