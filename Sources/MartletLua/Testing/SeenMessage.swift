internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A message as its receiver saw it.
struct SeenMessage: Sendable {
    var startLine = ""
    var cluster: String?
    /// Where the policy wants it sent, whatever the balancer would choose.
    var endpoint: String?
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []
    var trailers: [(name: String, value: String)] = []

    /// As HTTP/1.1 would put it on the wire; nil when it would not.
    init?(_ head: RequestHead, cluster: String?) {
        let wire = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
        guard HTTP1Encoder.encode(head, into: wire) else { return nil }
        self.cluster = cluster
        read(wire)
    }

    init?(_ head: ResponseHead, framing: BodyLength, keepsLength: Bool, closes: Bool) {
        let wire = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
        guard
            HTTP1Encoder.encode(
                head, framing: framing, connection: closes ? .close : .keep, keepsLength: keepsLength, into: wire)
        else { return nil }
        read(wire)
    }

    init(_ call: CallRequest) {
        startLine = "\(call.method) \(call.path) HTTP/1.1"
        cluster = call.cluster
        fields = [("host", call.authority)] + call.headers.map { ("\($0.name)", $0.value) }
        body = call.body
    }

    private mutating func read(_ wire: ByteBuffer) {
        var lines = wire.bytes().string().split(separator: "\r\n")[...]
        startLine = lines.popFirst().map(String.init) ?? ""
        fields = lines.map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), String(parts.last?.drop { $0 == " " } ?? ""))
        }
    }

    mutating func append(_ slice: ByteSlice) { body += slice.array() }

    mutating func append(trailers table: HeaderTable) {
        for index in 0..<table.count {
            trailers.append((table.name(at: index).string(), table.value(at: index).string()))
        }
    }

    private var words: [Substring] { startLine.split(separator: " ", maxSplits: 2) }

    /// Nil when the message has no such thing.
    func values(of subject: ExpectedFact.Subject) -> [String]? {
        switch subject {
        case .method: return words.first.map { [String($0)] }
        case .path, .status: return words.count > 1 ? [String(words[1])] : nil
        case .host: return Self.values(of: .host, in: fields)
        case .cluster: return cluster.map { [$0] }
        case .endpoint: return endpoint.map { [$0] }
        case .body, .bodyContains: return [String(decoding: body, as: UTF8.self)]
        case .header(let name): return Self.values(of: name, in: fields)
        case .trailer(let name): return Self.values(of: name, in: trailers)
        }
    }

    private static func values(of name: HeaderName, in fields: [(name: String, value: String)]) -> [String]? {
        let values = fields.filter { HeaderName($0.name) == name }.map(\.value)
        return values.isEmpty ? nil : values
    }

    /// The whole message for people, a line each.
    var lines: [String] {
        var lines = [startLine] + fields.map { "\($0.name): \($0.value)" }
        if !body.isEmpty {
            let text = String(decoding: body.prefix(Self.mostShown), as: UTF8.self)
            lines += [""] + text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            if lines.last == "" { lines.removeLast() }
            if body.count > Self.mostShown { lines.append("... \(body.count) bytes") }
        }
        if !trailers.isEmpty { lines += [""] + trailers.map { "\($0.name): \($0.value)" } }
        return lines
    }

    private static let mostShown = 4096
}
