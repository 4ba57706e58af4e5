internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a test sends of a message besides its first line: fields, and the body in the pieces in which it arrives.
struct ScriptedMessage: Sendable {
    var headers: [(name: HeaderName, value: String)] = []
    var pieces: [[UInt8]] = []
    /// The head does not say how long the body is.
    var isChunked = false
    var trailers: [(name: HeaderName, value: String)] = []

    init() {}

    init(_ section: ConfigSection) {
        headers = section.headers("headers")
        section.oneOf(["body", "chunks"])
        pieces =
            section.has("chunks")
            ? section.values("chunks", .string).map { Array($0.utf8) }
            : section.string("body").map { [Array($0.utf8)] } ?? []
        pieces.removeAll(where: \.isEmpty)
        _ = section.raw("body")
        trailers = section.has("trailers") ? section.headers("trailers") : []
        _ = section.raw("trailers")
        isChunked = section.has("chunks") || !trailers.isEmpty
    }

    var isBodiless: Bool { pieces.isEmpty && trailers.isEmpty }
    var body: [UInt8] { pieces.flatMap(\.self) }
    private var size: Int { pieces.reduce(0) { $0 + $1.count } }

    private var length: BodyLength {
        isBodiless ? .none : isChunked ? .chunked : .exactly(UInt64(size))
    }

    /// Puts the fields into a head, with those that frame the body unless the test has its own.
    func fill(_ table: HeaderTable) -> BodyLength {
        for field in headers { table.append(field.name, field.value) }
        switch length {
        case .exactly(let length) where !table.contains(.contentLength):
            table.append(.contentLength, String(length))
        case .chunked where !table.contains(.transferEncoding): table.append(.transferEncoding, "chunked")
        default: break
        }
        return length
    }

    /// What follows the head, in order.
    var items: [Item] {
        let last = pieces.count - 1
        let body = pieces.enumerated().map { index, bytes in
            Item.piece(bytes, isLast: index == last && trailers.isEmpty)
        }
        return trailers.isEmpty ? body : body + [.trailers(trailers)]
    }

    enum Item {
        case piece([UInt8], isLast: Bool)
        case trailers([(name: HeaderName, value: String)])
    }
}

/// What the client of a test asks.
struct ScriptedRequest: Sendable {
    var method = "GET"
    var path = "/"
    var host = "test.example.com"
    var scheme = Scheme.http
    var client = "10.0.0.1"
    /// Nil: clear text.
    var tls: TLSDetails?
    /// What filters before the policy have left for it.
    var metadata: [KeyedValue] = []
    var message = ScriptedMessage()

    init() {}

    init(_ section: ConfigSection) {
        method = section.value("method", .method) ?? method
        path = section.value("path", .target) ?? path
        host = section.value("host", .authority) ?? host
        let scheme: SchemeName? = section.choice("scheme")
        tls = section.section("tls").map { ScriptedTLS.details($0) }
        self.scheme = scheme == .https || (scheme == nil && tls != nil) ? .https : .http
        client = section.value("client", .clientAddress) ?? client
        metadata = KeyedValue.all(under: "metadata", in: section)
        message = ScriptedMessage(section)
        if message.headers.contains(where: { $0.name == .host }) {
            section.error(
                at: "headers", "the host is a key of the request", hint: "write `host: name` beside `headers`")
        }
    }

    private enum SchemeName: String, CaseIterable { case http, https }

    func fill(_ head: RequestHead) {
        let bytes = (Array(method.utf8), Array(path.utf8), Array(host.utf8))
        head.setMethod(bytes.0.span)
        head.setTarget(bytes.1.span)
        head.setAuthority(bytes.2.span)
        head.scheme = scheme
        head.body = message.fill(head.headers)
    }
}

/// What an upstream or a called cluster answers.
struct ScriptedResponse: Sendable {
    var status: UInt16 = 200
    var message = ScriptedMessage()

    init() {}

    init(_ section: ConfigSection) {
        status = UInt16(section.int("status", default: 200, in: 200...599))
        message = ScriptedMessage(section)
    }

    func fill(_ head: ResponseHead) {
        head.setStatus(status)
        head.body = message.fill(head.headers)
    }
}

/// A call that the policy is expected to make, and what becomes of it.
struct ScriptedCall: Sendable {
    enum Outcome: Sendable {
        case reply(ScriptedResponse)
        case fail(CallFailure)
    }
    var cluster: String
    var facts: [ExpectedFact]
    var outcome: Outcome
    var delay: Nanoseconds
    var mark: ConfigMark

    init(_ section: ConfigSection) {
        mark = section.place.mark
        cluster = section.value(required: "cluster", .label) ?? ""
        facts = section.section("expect").map { ExpectedFact.all(of: .call, in: $0) } ?? []
        section.oneOf(["reply", "fail"])
        let failure = section.value("fail", .callFailure)
        let reply = section.section("reply").map { ScriptedResponse($0) }
        outcome = failure.map { .fail($0) } ?? .reply(reply ?? ScriptedResponse())
        delay = Nanoseconds(section.duration("delay", default: .zero))
    }
}

extension ConfigScalar where Value == String {
    fileprivate static var clientAddress: ConfigScalar {
        ConfigScalar(expected: "an IP address such as 10.0.0.1") { text in
            if IPText.ipv4(text[...]) != nil || IPText.ipv6(text[...]) != nil { return .success(text) }
            return .failure(Problem("\"\(text.prefix(60))\" is not an IP address", hint: "without a port: 10.0.0.1"))
        }
    }
}

extension ConfigScalar where Value == CallFailure {
    private static var known: [CallFailure] {
        [
            .unknownCluster, .noHealthyUpstream, .connectFailure, .reset, .timeout, .overflow, .tooLarge,
            .invalidRequest,
        ]
    }

    fileprivate static var callFailure: ConfigScalar {
        ConfigScalar(expected: "the reason of a failed call, such as timeout") { text in
            if let failure = CallFailure(rawValue: text) { return .success(failure) }
            let names = known.map(\.rawValue)
            return .failure(
                Problem(
                    "\"\(text.prefix(60))\" is not how a call fails",
                    hint: NearestName.hint(text, in: names, what: "valid")))
        }
    }
}
