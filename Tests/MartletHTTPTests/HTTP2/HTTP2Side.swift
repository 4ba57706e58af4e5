internal import MartletCore
internal import MartletHTTP

/// Collects what a session writes.
final class WireOutput: HTTP2Output {
    private(set) var bytes: [UInt8] = []
    /// How many slices were shared rather than copied.
    private(set) var shared = 0

    func write(reserving space: Int, _ body: (ByteBuffer) -> Void) {
        let buffer = ByteBuffer(capacity: max(space, 1))
        body(buffer)
        bytes += buffer.bytes().array()
    }

    func write(_ slice: ByteSlice) {
        shared += 1
        bytes += slice.array()
    }

    func takeAll() -> [UInt8] {
        let all = bytes
        bytes = []
        return all
    }
}

/// One side of a connection in a test: a session, what it has said, and a line for every event.
final class HTTP2Side {
    let session: HTTP2Session
    let output = WireOutput()
    var log: [String] = []
    /// Bodies by stream; pieces are the codec's affair.
    var bodies: [Int32: String] = [:]
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Heads of requests that came, by stream.
    var requests: [Int32: RequestHead] = [:]
    /// What comes is given back at once.
    var consumes = true
    /// Called for every request that came.
    var onRequest: ((Int32, RequestHead) -> Void)?

    init?(
        _ role: HTTP2Session.Role, settings: HTTP2Settings = HTTP2Settings(), limits: HTTP2Limits = HTTP2Limits()
    ) {
        guard let session = HTTP2Session(role: role, settings: settings, limits: limits) else { return nil }
        self.session = session
    }

    /// Feeds `bytes` in pieces that end at `cuts`.
    func receive(_ bytes: [UInt8], cuts: [Int] = []) {
        var start = 0
        for end in cuts + [bytes.count] where end > start && end <= bytes.count {
            receive(piece: Array(bytes[start..<end]))
            start = end
        }
    }

    private func receive(piece: [UInt8]) {
        var rest = piece
        while !rest.isEmpty {
            let taken = session.receive(rest.span, now: now)
            walk(rest)
            if taken == 0 { break }
            rest.removeFirst(taken)
        }
    }

    /// Everything the session has to say.
    func flush(atMost limit: Int = .max) -> [UInt8] {
        _ = session.flush(into: output, atMost: limit)
        walk([])
        return output.takeAll()
    }

    func walk(_ input: [UInt8]) {
        while let event = session.nextEvent() {
            switch event.kind {
            case .request(let head, let endsHere):
                let request = RequestHead()
                do throws(HTTP2Fault) {
                    try session.take(head, into: request)
                    log.append("\(event.stream) \(Self.describe(request))\(endsHere ? " ." : "")")
                    requests[event.stream] = request
                    onRequest?(event.stream, request)
                } catch {
                    log.append("\(event.stream) refused: \(error)")
                }
            case .response(let head, let endsHere):
                log.append("\(event.stream) \(describe(response: head))\(endsHere ? " ." : "")")
            case .informational(let head):
                log.append("\(event.stream) informational \(describe(response: head))")
            case .trailers(let head):
                let trailers = HeaderTable()
                do throws(HTTP2Fault) {
                    try session.take(head, into: trailers)
                    log.append("\(event.stream) body \(bodies[event.stream] ?? "").\(Self.fields(trailers))")
                } catch {
                    log.append("\(event.stream) bad trailers: \(error)")
                }
            case .data(let range, let endsHere):
                bodies[event.stream, default: ""] += String(decoding: input[range], as: UTF8.self)
                if consumes { session.consumed(range.count, of: event.stream) }
                if endsHere { log.append("\(event.stream) body \(bodies[event.stream] ?? "").") }
            case .end: log.append("\(event.stream) body \(bodies[event.stream] ?? "").")
            case .closed(let close): log.append("\(event.stream) closed \(close)")
            case .settings: log.append("settings")
            case .goAway(let last, let error): log.append("goaway \(last) \(error)")
            case .drained: log.append("\(event.stream) drained")
            case .pong(let payload): log.append("pong \(payload)")
            }
        }
    }

    private func describe(response head: HTTP2Head) -> String {
        let response = ResponseHead()
        do throws(HTTP2Fault) {
            try session.take(head, into: response)
            return "\(response.status) \(response.body)\(Self.fields(response.headers))"
        } catch {
            return "bad response: \(error)"
        }
    }

    static func describe(_ head: RequestHead) -> String {
        var text = "\(head.methodBytes().string()) \(head.target().string()) \(head.scheme) \(head.body)"
        if head.asksForUpgrade { text += " upgrade" }
        if head.expectsContinue { text += " expect" }
        return text + fields(head.headers)
    }

    static func fields(_ table: HeaderTable) -> String {
        (0..<table.count).map { " \(table.name(at: $0).string())=\(table.value(at: $0).string())" }.joined()
    }
}

/// Two sessions that hear each other.
struct HTTP2Pair {
    let client: HTTP2Side
    let server: HTTP2Side

    init?(
        settings: HTTP2Settings = HTTP2Settings(), clientSettings: HTTP2Settings? = nil,
        limits: HTTP2Limits = HTTP2Limits(), clientLimits: HTTP2Limits = HTTP2Limits()
    ) {
        guard let client = HTTP2Side(.client, settings: clientSettings ?? settings, limits: clientLimits),
            let server = HTTP2Side(.server, settings: settings, limits: limits)
        else { return nil }
        self.client = client
        self.server = server
    }

    /// Carries bytes both ways until neither side has more to say. `cut`: every flush is fed in two pieces.
    func run(cut: Int? = nil, rounds: Int = 64) {
        for _ in 0..<rounds {
            let up = client.flush()
            server.receive(up, cuts: cut.map { [$0] } ?? [])
            let down = server.flush()
            client.receive(down, cuts: cut.map { [$0] } ?? [])
            if up.isEmpty && down.isEmpty { return }
        }
    }
}

func requestHead(
    _ method: String = "GET", _ target: String = "/", host: String = "example.test", body: BodyLength = .none,
    scheme: Scheme = .http, _ fields: [(String, String)] = []
) -> RequestHead {
    let head = RequestHead()
    head.setMethod(Array(method.utf8).span)
    head.setTarget(Array(target.utf8).span)
    head.setAuthority(Array(host.utf8).span)
    head.scheme = scheme
    head.body = body
    for (name, value) in fields { head.headers.append(named: Array(name.utf8).span, Array(value.utf8).span) }
    return head
}

func responseHead(_ status: UInt16, _ fields: [(String, String)] = []) -> ResponseHead {
    let head = ResponseHead()
    head.setStatus(status)
    for (name, value) in fields { head.headers.append(named: Array(name.utf8).span, Array(value.utf8).span) }
    return head
}

func fieldTable(_ fields: [(String, String)]) -> HeaderTable {
    let table = HeaderTable()
    for (name, value) in fields { table.append(named: Array(name.utf8).span, Array(value.utf8).span) }
    return table
}
