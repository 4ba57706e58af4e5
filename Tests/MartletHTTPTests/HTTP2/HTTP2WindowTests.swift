internal import MartletCore
internal import MartletHTTP
internal import Testing

/// RFC 9113 section 6.9.1: a peer that sends more than it was given the room for.
@Suite("HTTP/2 windows that a peer overruns")
struct HTTP2WindowTests {
    private static let frame = 16_384

    /// Whose settings the peer has acknowledged. What comes is not given back.
    private func server(stream: UInt32, connection: UInt32) throws -> HTTP2Side {
        let settings = HTTP2Settings(streamWindow: stream, connectionWindow: connection)
        let side = try #require(HTTP2Side(.server, settings: settings))
        side.consumes = false
        side.receive(Raw.preface + Raw.settings() + Raw.frame(.settings, flags: Raw.ack, 0))
        _ = side.flush()
        return side
    }

    private func send(_ count: Int, on stream: UInt32, to side: HTTP2Side) {
        var left = count
        while left > 0 {
            side.receive(Raw.frame(.data, stream, [UInt8](repeating: 0x61, count: min(left, Self.frame))))
            left -= Self.frame
        }
    }

    @Test func ofAStream() throws {
        let side = try server(stream: 100_000, connection: 1_000_000)
        side.receive(Raw.request(1, method: "POST", end: false) + Raw.request(3, method: "POST", end: false))
        send(100_000, on: 1, to: side)
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .accepted)
        send(1, on: 1, to: side)
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .stream(1, .flowControlError))
        #expect(side.bodies[1]?.utf8.count == 100_000)
        // The other stream goes on.
        send(100_000, on: 3, to: side)
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .accepted)
    }

    @Test func ofTheConnection() throws {
        let side = try server(stream: 100_000, connection: 150_000)
        side.receive(Raw.request(1, method: "POST", end: false) + Raw.request(3, method: "POST", end: false))
        send(100_000, on: 1, to: side)
        send(50_000, on: 3, to: side)
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .accepted)
        send(1, on: 3, to: side)
        #expect(HTTP2Outcome(Raw.frames(side.flush())) == .connection(.flowControlError))
        #expect(side.session.openStreams == 0)
    }
}
