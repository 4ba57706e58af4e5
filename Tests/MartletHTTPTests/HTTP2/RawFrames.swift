internal import MartletHTTP
internal import Testing

/// Frames as bytes, right or wrong, without a codec: what a peer of any quality may send.
enum Raw {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    enum Kind: UInt8 {
        case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
        case priorityUpdate = 0x10
        case unknown = 0x4A
    }

    static let endStream: UInt8 = 1
    static let ack: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8
    static let priority: UInt8 = 32

    static func frame(_ kind: Kind, flags: UInt8 = 0, _ stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        let count = UInt32(payload.count)
        return [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), kind.rawValue, flags]
            + word(stream) + payload
    }

    static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24 & 255), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        frame(.settings, 0, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + word($0.1) })
    }

    static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
        frame(.windowUpdate, stream, word(increment))
    }

    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> [UInt8] { frame(.reset, stream, word(code)) }

    static func data(_ stream: UInt32, _ text: String = "", end: Bool = false) -> [UInt8] {
        frame(.data, flags: end ? endStream : 0, stream, Array(text.utf8))
    }

    static func headers(_ stream: UInt32, _ block: [UInt8], end: Bool = true) -> [UInt8] {
        frame(.headers, flags: endHeaders | (end ? endStream : 0), stream, block)
    }

    static func request(
        _ stream: UInt32, _ extra: [(String, String)] = [], method: String = "GET", end: Bool = true
    ) -> [UInt8] {
        headers(stream, block(line(method) + extra), end: end)
    }

    static func line(_ method: String = "GET") -> [(String, String)] {
        [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "t")]
    }

    // MARK: HPACK, as plainly as it goes

    /// RFC 7541 section 5.1, behind the bits of `lead`.
    static func integer(_ value: Int, bits: Int, lead: UInt8 = 0) -> [UInt8] {
        let limit = (1 << bits) - 1
        if value < limit { return [lead | UInt8(value)] }
        var bytes = [lead | UInt8(limit)]
        var rest = value - limit
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return integer(bytes.count, bits: 7) + bytes
    }

    /// A literal with a name of its own (section 6.2.2); `indexed`: section 6.2.1.
    static func literal(_ name: String, _ value: String, indexed: Bool = false) -> [UInt8] {
        [indexed ? 0x40 : 0] + string(name) + string(value)
    }

    static func block(_ fields: [(String, String)]) -> [UInt8] { fields.flatMap { literal($0.0, $0.1) } }

    // MARK: Reading

    struct Frame {
        let type: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: [UInt8]

        func word(at index: Int) -> UInt32 {
            guard payload.count >= index + 4 else { return .max }
            return payload[index..<(index + 4)].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// The frames of `bytes`, behind a client's preface if there is one.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var rest = bytes[...]
        if rest.starts(with: preface) { rest = rest.dropFirst(preface.count) }
        var frames: [Frame] = []
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            let stream = head[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
            let payload = Array(rest.dropFirst(9).prefix(length))
            frames.append(Frame(type: head[3], flags: head[4], stream: stream, payload: payload))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }
}

/// What a session did about what it was sent.
enum HTTP2Outcome: Equatable, CustomStringConvertible {
    /// It goes on.
    case accepted
    case stream(UInt32, HTTP2Error)
    case connection(HTTP2Error)

    init(_ frames: [Raw.Frame]) {
        self = .accepted
        for frame in frames {
            if frame.type == Raw.Kind.goAway.rawValue, frame.word(at: 4) != 0 {
                self = .connection(HTTP2Error(code: frame.word(at: 4)))
                return
            }
            if frame.type == Raw.Kind.reset.rawValue, self == .accepted {
                self = .stream(frame.stream, HTTP2Error(code: frame.word(at: 0)))
            }
        }
    }

    var description: String {
        switch self {
        case .accepted: "accepted"
        case .stream(let stream, let error): "stream \(stream) \(error)"
        case .connection(let error): "connection \(error)"
        }
    }
}

/// A peer's bytes, and what a session must make of them.
struct ConformanceCase: CustomTestStringConvertible {
    let name: String
    let role: HTTP2Session.Role
    let bytes: [UInt8]
    let outcome: HTTP2Outcome
    /// The last line of the session's log, when it matters.
    let last: String?

    init(
        _ name: String, _ bytes: [UInt8]..., to role: HTTP2Session.Role = .server, is outcome: HTTP2Outcome = .accepted,
        last: String? = nil
    ) {
        self.name = name
        self.role = role
        self.bytes = bytes.flatMap { $0 }
        self.outcome = outcome
        self.last = last
    }

    var testDescription: String { name }

    /// Feeds the bytes in pieces of `step`, behind what opens a connection. A client has sent GET on stream 1, POST on 3 and
    /// HEAD on 5 before.
    func run(step: Int?) -> (outcome: HTTP2Outcome, log: [String])? {
        guard let side = HTTP2Side(role) else { return nil }
        var sent: [UInt8] = []
        if role == .client {
            _ = side.session.sendRequest(requestHead(), ended: true, tag: 0)
            _ = side.session.sendRequest(requestHead("POST", body: .chunked), ended: false, tag: 0)
            _ = side.session.sendRequest(requestHead("HEAD"), ended: true, tag: 0)
            sent += side.flush()
        }
        let opening = name.contains("preface") ? [] : role == .server ? Raw.preface + Raw.settings() : Raw.settings()
        let input = opening + bytes
        side.receive(input, cuts: step.map { Array(stride(from: $0, to: input.count, by: $0)) } ?? [])
        sent += side.flush()
        return (HTTP2Outcome(Raw.frames(sent)), side.log)
    }
}
