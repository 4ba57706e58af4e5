internal import MartletConfig
internal import MartletCore

/// One thing that a test says of a message: a field has these values, the body is this.
struct ExpectedFact: Sendable {
    enum Subject: Sendable, Equatable {
        case method, path, host, cluster, endpoint, status, body, bodyContains
        case header(HeaderName)
        case trailer(HeaderName)
    }

    /// Who receives the message.
    enum Receiver { case upstream, client, call }

    var subject: Subject
    /// Nil: absent.
    var values: [String]?
    var mark: ConfigMark

    static func all(of receiver: Receiver, in section: ConfigSection) -> [ExpectedFact] {
        var facts: [ExpectedFact] = []
        func read<Value>(_ key: String, _ subject: Subject, _ kind: ConfigScalar<Value>) {
            guard let value = section.value(key, kind) else { return }
            facts.append(
                ExpectedFact(subject: subject, values: ["\(value)"], mark: section.place(of: key).mark))
        }
        switch receiver {
        case .client: read("status", .status, ConfigScalar.int(in: 200...599))
        case .upstream, .call:
            read("method", .method, ConfigScalar.method)
            read("path", .path, ConfigScalar.string)
            read(receiver == .call ? "authority" : "host", .host, ConfigScalar.string)
            if receiver == .upstream {
                read("cluster", .cluster, ConfigScalar.label)
                read("endpoint", .endpoint, ConfigScalar.string)
            }
        }
        facts += fields("headers", in: section) { .header($0) }
        read("body", .body, ConfigScalar.string)
        read("body_contains", .bodyContains, ConfigScalar.string)
        if receiver != .call { facts += fields("trailers", in: section) { .trailer($0) } }
        return facts
    }

    /// `name: value`, `name: [value, value]`, or `name: null` for a field that is not there.
    private static func fields(
        _ key: String, in section: ConfigSection, _ subject: (HeaderName) -> Subject
    ) -> [ExpectedFact] {
        guard let fields = section.section(key) else { return [] }
        return fields.allEntries().compactMap { entry in
            guard let name = HeaderName(entry.key) else {
                let hint = entry.key.hasPrefix(":") ? "write method, path, host or status beside `\(key)`" : nil
                section.diagnostics.error(
                    at: ConfigPlace(mark: entry.keyMark, path: entry.value.path),
                    "\"\(entry.key.prefix(60))\" is not a header's name", hint: hint)
                return nil
            }
            let items = entry.value.isNull ? nil : entry.value.items ?? [entry.value]
            return ExpectedFact(
                subject: subject(name), values: items?.compactMap { fields.read($0, .headerValue) },
                mark: entry.value.mark)
        }
    }
}

/// What must have come of one request.
struct PolicyExpectation: Sendable {
    enum Message: Sendable {
        /// Whatever it is.
        case any
        /// Nothing arrives: no request upstream, or no response because the client's stream is reset.
        case nothing
        case facts([ExpectedFact])
    }

    /// A text that must be found, and where the test says so.
    struct Text: Sendable {
        var text: String
        var mark: ConfigMark
    }

    struct Number: Sendable {
        var name: String
        var value: Double
        var mark: ConfigMark
    }

    var mark: ConfigMark
    var upstream = Message.any
    var response = Message.any
    var logs: [Text] = []
    var metrics: [Number] = []
    var error: Text?
    /// What shared stores and the exchange's metadata hold behind it.
    var shared: [KeyedValue] = []
    var metadata: [KeyedValue] = []
    /// What a policy in shadow mode would have done.
    var shadow: [Text] = []

    init(_ section: ConfigSection) {
        mark = section.place.mark
        upstream = Self.message("upstream", nothing: "none", .upstream, section)
        response = Self.message("response", nothing: "reset", .client, section)
        logs = section.list("logs").compactMap { Self.text($0, section) }
        shadow = section.list("shadow").compactMap { Self.text($0, section) }
        shared = KeyedValue.all(under: "shared", in: section)
        metadata = KeyedValue.all(under: "metadata", in: section)
        error = section.raw("error").flatMap { Self.text($0, section) }
        metrics = (section.section("metrics")?.allEntries() ?? []).compactMap { entry in
            section.read(entry.value, .double(in: 0...1e18)).map {
                Number(name: entry.key, value: $0, mark: entry.keyMark)
            }
        }
    }

    private static func message(
        _ key: String, nothing: String, _ receiver: ExpectedFact.Receiver, _ section: ConfigSection
    ) -> Message {
        guard let node = section.raw(key) else { return .any }
        if node.text == nothing { return .nothing }
        return .facts(ExpectedFact.all(of: receiver, in: section.section(of: node)))
    }

    private static func text(_ node: ConfigNode, _ section: ConfigSection) -> Text? {
        section.read(node, .string).map { Text(text: $0, mark: node.mark) }
    }
}
