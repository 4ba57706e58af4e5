internal import MartletHTTP

/// RFC 9113 sections 3, 4 and 6: the preface, and every type of frame for itself.
extension ConformanceCase {
    static let frames: [ConformanceCase] = [
        // MARK: 3.4, 4
        .init("3.4 preface and SETTINGS", Raw.preface, Raw.settings()),
        .init(
            "3.4 preface of another protocol", Array("GET / HTTP/1.1\r\nhost: t\r\n\r\n".utf8),
            is: .connection(.protocolError)),
        .init("3.4 preface without SETTINGS behind it", Raw.preface, Raw.request(1), is: .connection(.protocolError)),
        .init(
            "3.4 preface with an acknowledgement behind it", Raw.preface, Raw.frame(.settings, flags: Raw.ack, 0),
            is: .connection(.protocolError)),
        .init(
            "4.1 unknown type is passed over", Raw.frame(.unknown, flags: 0xFF, 0, [1, 2, 3]), Raw.request(1),
            last: "1 GET / http none host=t ."),
        .init("4.1 unknown flags are passed over", Raw.frame(.ping, flags: 0x16, 0, [1, 2, 3, 4, 5, 6, 7, 8])),
        .init(
            "4.1 the reserved bit is passed over",
            Raw.frame(.headers, flags: Raw.endHeaders | Raw.endStream, 0x8000_0001, Raw.block(Raw.line())),
            last: "1 GET / http none host=t ."),
        .init(
            "4.2 DATA of 16,384 bytes", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, flags: Raw.endStream, 1, [UInt8](repeating: 0x61, count: 16_384))),
        .init(
            "4.2 DATA of 16,385 bytes", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, 1, [UInt8](repeating: 0x61, count: 16_385)), is: .connection(.frameSizeError)),
        .init(
            "4.2 HEADERS of 16,385 bytes",
            Raw.frame(.headers, flags: Raw.endHeaders, 1, [UInt8](repeating: 0x82, count: 16_385)),
            is: .connection(.frameSizeError)),
        .init("4.3 a block that does not decompress", Raw.headers(1, [0x40]), is: .connection(.compressionError)),
        .init(
            "4.3 a frame of another stream inside of a block",
            Raw.frame(.headers, 1, Raw.block(Raw.line())), Raw.frame(.priority, 3, [0, 0, 0, 0, 1]),
            is: .connection(.protocolError)),
        .init(
            "4.3 DATA inside of a block", Raw.frame(.headers, 1, Raw.block(Raw.line())), Raw.data(1, "x"),
            is: .connection(.protocolError)),
        .init(
            "4.3 HEADERS inside of a block", Raw.frame(.headers, 1, Raw.block(Raw.line())), Raw.request(3),
            is: .connection(.protocolError)),
        .init(
            "4.3 an unknown frame inside of a block", Raw.frame(.headers, 1, Raw.block(Raw.line())),
            Raw.frame(.unknown, 1), is: .connection(.protocolError)),

        // MARK: 6.1 DATA
        .init("6.1 DATA on stream 0", Raw.data(0, "x"), is: .connection(.protocolError)),
        .init(
            "6.1 DATA with padding", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, flags: Raw.padded | Raw.endStream, 1, [3, 0x68, 0x69, 0, 0, 0]), last: "1 body hi."),
        .init(
            "6.1 DATA of padding alone", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, flags: Raw.padded | Raw.endStream, 1, [2, 0, 0]), last: "1 body ."),
        .init(
            "6.1 padding as long as the frame", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, flags: Raw.padded | Raw.endStream, 1, [5, 0, 0, 0, 0]), is: .connection(.protocolError)),
        .init(
            "6.1 padding without its length", Raw.request(1, method: "POST", end: false),
            Raw.frame(.data, flags: Raw.padded | Raw.endStream, 1), is: .connection(.protocolError)),

        // MARK: 6.2 HEADERS
        .init("6.2 HEADERS on stream 0", Raw.request(0), is: .connection(.protocolError)),
        .init(
            "6.2 HEADERS with padding",
            Raw.frame(
                .headers, flags: Raw.endHeaders | Raw.endStream | Raw.padded, 1,
                [4] + Raw.block(Raw.line()) + [0, 0, 0, 0]),
            last: "1 GET / http none host=t ."),
        .init(
            "6.2 padding as long as HEADERS",
            Raw.frame(.headers, flags: Raw.endHeaders | Raw.endStream | Raw.padded, 1, [200] + Raw.block(Raw.line())),
            is: .connection(.protocolError)),
        .init(
            "6.2 HEADERS with a priority",
            Raw.frame(
                .headers, flags: Raw.endHeaders | Raw.endStream | Raw.priority, 1,
                Raw.word(0x8000_0000) + [16] + Raw.block(Raw.line())),
            last: "1 GET / http none host=t ."),
        .init(
            "6.2 HEADERS too short for its priority",
            Raw.frame(.headers, flags: Raw.endHeaders | Raw.priority, 1, [0, 0, 0]), is: .connection(.frameSizeError)),
        .init(
            "6.2 HEADERS whose stream depends on itself",
            Raw.frame(
                .headers, flags: Raw.endHeaders | Raw.endStream | Raw.priority, 1,
                Raw.word(1) + [16] + Raw.block(Raw.line())),
            is: .connection(.protocolError)),

        // MARK: 6.3 PRIORITY
        .init(
            "6.3 PRIORITY of an idle stream", Raw.frame(.priority, 7, Raw.word(0) + [1]), Raw.request(1),
            last: "1 GET / http none host=t ."),
        .init(
            "6.3 PRIORITY of a stream that is over", Raw.request(1), Raw.reset(1),
            Raw.frame(.priority, 1, Raw.word(0) + [1])),
        .init("6.3 PRIORITY on stream 0", Raw.frame(.priority, 0, Raw.word(1) + [1]), is: .connection(.protocolError)),
        .init("6.3 PRIORITY of 4 bytes", Raw.frame(.priority, 1, [0, 0, 0, 0]), is: .connection(.frameSizeError)),
        .init(
            "6.3 PRIORITY of 6 bytes", Raw.frame(.priority, 1, [0, 0, 0, 0, 0, 0]), is: .connection(.frameSizeError)),
        .init(
            "5.3.1 PRIORITY of a stream on itself", Raw.frame(.priority, 7, Raw.word(7) + [1]),
            is: .connection(.protocolError)),

        // MARK: 6.4 RST_STREAM
        .init(
            "6.4 RST_STREAM", Raw.request(1, end: false), Raw.reset(1),
            last: "1 closed resetByPeer(MartletHTTP.HTTP2Error.cancel)"),
        .init(
            "6.4 RST_STREAM with a code nobody knows", Raw.request(1, end: false), Raw.reset(1, 0xFFFF),
            last: "1 closed resetByPeer(MartletHTTP.HTTP2Error.internalError)"),
        .init("6.4 RST_STREAM on stream 0", Raw.reset(0), is: .connection(.protocolError)),
        .init("6.4 RST_STREAM of an idle stream", Raw.reset(1), is: .connection(.protocolError)),
        .init(
            "6.4 RST_STREAM of 3 bytes", Raw.request(1), Raw.frame(.reset, 1, [0, 0, 8]),
            is: .connection(.frameSizeError)),
        .init(
            "6.4 RST_STREAM of 5 bytes", Raw.request(1), Raw.frame(.reset, 1, [0, 0, 0, 8, 0]),
            is: .connection(.frameSizeError)),

        // MARK: 6.5 SETTINGS
        .init("6.5 SETTINGS that say nothing known", Raw.settings([(0x99, 5)])),
        .init("6.5 SETTINGS on a stream", Raw.frame(.settings, 1), is: .connection(.protocolError)),
        .init("6.5 SETTINGS of 5 bytes", Raw.frame(.settings, 0, [0, 1, 0, 0, 0]), is: .connection(.frameSizeError)),
        .init(
            "6.5 acknowledgement with a payload", Raw.frame(.settings, flags: Raw.ack, 0, [0, 1, 0, 0, 0, 0]),
            is: .connection(.frameSizeError)),
        .init("6.5.2 ENABLE_PUSH of 2", Raw.settings([(2, 2)]), is: .connection(.protocolError)),
        .init(
            "6.5.2 ENABLE_PUSH of 1 from a server", Raw.settings([(2, 1)]), to: .client, is: .connection(.protocolError)
        ),
        .init(
            "6.5.2 INITIAL_WINDOW_SIZE of 2^31", Raw.settings([(4, 0x8000_0000)]), is: .connection(.flowControlError)),
        .init("6.5.2 MAX_FRAME_SIZE of 16,383", Raw.settings([(5, 16_383)]), is: .connection(.protocolError)),
        .init("6.5.2 MAX_FRAME_SIZE of 2^24", Raw.settings([(5, 16_777_216)]), is: .connection(.protocolError)),
        .init("6.5.2 MAX_FRAME_SIZE of 2^24-1", Raw.settings([(5, 16_777_215)])),
        .init(
            "RFC 8441 ENABLE_CONNECT_PROTOCOL of 2", Raw.settings([(8, 2)]), to: .client,
            is: .connection(.protocolError)),
        .init(
            "RFC 8441 ENABLE_CONNECT_PROTOCOL taken back", Raw.settings([(8, 1)]), Raw.settings([(8, 0)]), to: .client,
            is: .connection(.protocolError)),

        // MARK: 6.6 PUSH_PROMISE
        .init(
            "8.4 PUSH_PROMISE from a client", Raw.request(1),
            Raw.frame(.pushPromise, flags: Raw.endHeaders, 1, Raw.word(2) + Raw.block(Raw.line())),
            is: .connection(.protocolError)),
        .init(
            "8.4 PUSH_PROMISE that nobody wants",
            Raw.frame(.pushPromise, flags: Raw.endHeaders, 1, Raw.word(2) + Raw.block(Raw.line())), to: .client,
            is: .connection(.protocolError)),

        // MARK: 6.7 PING
        .init("6.7 PING", Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8])),
        .init(
            "6.7 an answer nobody asked for", Raw.frame(.ping, flags: Raw.ack, 0, [0, 0, 0, 0, 0, 0, 0, 1]),
            last: "pong 72057594037927936"),
        .init("6.7 PING on a stream", Raw.frame(.ping, 1, [1, 2, 3, 4, 5, 6, 7, 8]), is: .connection(.protocolError)),
        .init("6.7 PING of 7 bytes", Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7]), is: .connection(.frameSizeError)),
        .init(
            "6.7 PING of 9 bytes", Raw.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9]), is: .connection(.frameSizeError)),

        // MARK: 6.8 GOAWAY
        .init("6.8 GOAWAY", Raw.frame(.goAway, 0, Raw.word(0) + Raw.word(0)), last: "goaway 0 noError"),
        .init(
            "6.8 GOAWAY with words", Raw.frame(.goAway, 0, Raw.word(0) + Raw.word(2) + Array("why".utf8)),
            last: "goaway 0 internalError"),
        .init(
            "6.8 GOAWAY on a stream", Raw.frame(.goAway, 1, Raw.word(0) + Raw.word(0)), is: .connection(.protocolError)),
        .init("6.8 GOAWAY of 7 bytes", Raw.frame(.goAway, 0, [0, 0, 0, 0, 0, 0, 0]), is: .connection(.frameSizeError)),
        .init(
            "6.8 GOAWAY that takes its word back", Raw.frame(.goAway, 0, Raw.word(1) + Raw.word(0)),
            Raw.frame(.goAway, 0, Raw.word(5) + Raw.word(0)), to: .client, is: .connection(.protocolError)),

        // MARK: 6.9 WINDOW_UPDATE
        .init("6.9 WINDOW_UPDATE of 0 for the connection", Raw.windowUpdate(0, 0), is: .connection(.protocolError)),
        .init(
            "6.9 WINDOW_UPDATE of 0 for a stream", Raw.request(1, end: false), Raw.windowUpdate(1, 0),
            is: .connection(.protocolError)),
        .init(
            "6.9 WINDOW_UPDATE of 3 bytes", Raw.frame(.windowUpdate, 0, [0, 0, 1]), is: .connection(.frameSizeError)),
        .init("6.9 WINDOW_UPDATE of an idle stream", Raw.windowUpdate(1, 1), is: .connection(.protocolError)),
        .init("6.9 WINDOW_UPDATE of a stream that is over", Raw.request(1), Raw.reset(1), Raw.windowUpdate(1, 1)),
        .init(
            "6.9.1 the connection's window beyond 2^31-1", Raw.windowUpdate(0, 0x7FFF_FFFF),
            is: .connection(.flowControlError)),
        .init(
            "6.9.1 a stream's window beyond 2^31-1", Raw.request(1, end: false), Raw.windowUpdate(1, 0x7FFF_FFFF),
            is: .stream(1, .flowControlError)),
        .init(
            "6.9.2 INITIAL_WINDOW_SIZE makes a window too large", Raw.request(1, end: false),
            Raw.windowUpdate(1, 0x7FFF_0000),
            Raw.settings([(4, 0x7FFF_FFFF)]), is: .connection(.flowControlError)),
        .init(
            "6.9.1 DATA within the stream's window", Raw.frame(.settings, flags: Raw.ack, 0),
            Raw.request(1, method: "POST", end: false),
            wholeWindow(of: 1), is: .accepted),

        // MARK: 6.10 CONTINUATION
        .init(
            "6.10 CONTINUATION", Raw.frame(.headers, flags: Raw.endStream, 1, Raw.block(Raw.line())),
            Raw.frame(.continuation, 1, Raw.block([("a", "b")])),
            Raw.frame(.continuation, flags: Raw.endHeaders, 1, Raw.block([("c", "d")])),
            last: "1 GET / http none host=t a=b c=d ."),
        .init(
            "6.10 a field cut in two by frames",
            Raw.frame(.headers, flags: Raw.endStream, 1, Array(Raw.block(Raw.line() + [("abc", "defg")]).dropLast(6))),
            Raw.frame(
                .continuation, flags: Raw.endHeaders, 1, Array(Raw.block(Raw.line() + [("abc", "defg")]).suffix(6))),
            last: "1 GET / http none host=t abc=defg ."),
        .init(
            "6.10 CONTINUATION behind a whole block", Raw.request(1, end: false),
            Raw.frame(.continuation, flags: Raw.endHeaders, 1, Raw.block([("a", "b")])),
            is: .connection(.protocolError)),
        .init(
            "6.10 CONTINUATION of another stream", Raw.frame(.headers, 1, Raw.block(Raw.line())),
            Raw.frame(.continuation, flags: Raw.endHeaders, 3, Raw.block([("a", "b")])), is: .connection(.protocolError)
        ),
        .init(
            "6.10 CONTINUATION on stream 0", Raw.frame(.headers, 1, Raw.block(Raw.line())),
            Raw.frame(.continuation, flags: Raw.endHeaders, 0), is: .connection(.protocolError)),
        .init(
            "6.10 CONTINUATION behind DATA", Raw.request(1, method: "POST", end: false), Raw.data(1, "x"),
            Raw.frame(.continuation, flags: Raw.endHeaders, 1), is: .connection(.protocolError)),
    ]

    /// 65,000 bytes, which fit the window of a stream as the protocol begins, and as ours.
    private static func wholeWindow(of stream: UInt32) -> [UInt8] {
        (0..<4).flatMap { _ in Raw.frame(.data, stream, [UInt8](repeating: 0x61, count: 16_250)) }
    }
}
