/// Decoding of `access_log`.
extension AccessLogConfig {
    /// Reads `off`, `{ path: ..., format: ..., filter: ... }`, or a list of such mappings. Off is no log.
    static func logs(_ node: ConfigNode, in section: ConfigSection) -> [AccessLogConfig] {
        if node.isOff { return [] }
        if let text = node.text {
            section.diagnostics.error(
                at: node.place, "expected a mapping or \"off\", found \(node.kind)",
                hint: "write { path: \(text.prefix(60)) }")
            return []
        }
        guard let items = node.items else { return [AccessLogConfig(section.section(of: node))] }
        if items.count > maxLogs {
            section.diagnostics.error(at: node.place, "more than \(maxLogs) access logs", hint: "one can hold it all")
        }
        return items.prefix(maxLogs).map { AccessLogConfig(section.section(of: $0)) }
    }

    private init(_ log: ConfigSection) {
        path = ConfigFile.resolve(log.value("path", .name) ?? Self.defaultPath, from: log.node.mark.file)
        place = log.place(of: "path")
        format = Self.format(log)
        filter = log.section("filter").map { LogCondition($0) }
    }

    private static func format(_ log: ConfigSection) -> Format {
        if log.node["format"]?.entries != nil, let choice = log.section("format") {
            choice.oneOf(["text", "json"], required: true)
            if let fields = choice.template("json") { return .fields(fields) }
            return choice.format("text").map { .text($0) } ?? .json
        }
        guard let text = log.value("format", .name) else { return .json }
        switch text {
        case "json": return .json
        case "text": return .text(FormatPart.parse(defaultText) { _, _ in })
        case let text where text.contains("%"): return log.format("format").map { .text($0) } ?? .json
        default:
            let names = ["json", "text"]
            let nearest = NearestName.of(text, in: names).map { "did you mean \"\($0)\"? " } ?? ""
            log.error(
                at: "format", "\"\(text.prefix(60))\" is not a format",
                hint: "\(nearest)valid: json, text, or a text with operators such as %RESPONSE_CODE%")
            return .json
        }
    }
}

extension LogCondition {
    /// A mapping, every key of which must hold.
    init(_ section: ConfigSection, depth: Int = 0) {
        var conditions: [LogCondition] = []
        guard depth < 16 else {
            section.error("conditions within conditions, too deep")
            self = .all([])
            return
        }
        if let status = section.section("status") {
            let low = status.int("min", default: 0, in: 0...599)
            let high = status.int("max", default: 599, in: 0...599)
            conditions.append(.status(Self.range(low, high, status)))
        }
        if let duration = section.section("duration") {
            let low = duration.duration("min", default: .zero)
            let high = duration.duration("max", default: ConfigSection.longestDuration)
            conditions.append(.duration(Self.range(low, high, duration)))
        }
        if section.has("flags") {
            conditions.append(.flags(section.oneOrMore("flags", .flag).filter { $0 != "any" }))
        }
        if let request = RouteMatch(conditions: section) { conditions.append(.request(request)) }
        if let share = section.percent("percent") { conditions.append(.share(share)) }
        if let isTraced = section.bool("traced") { conditions.append(.traced(isTraced)) }
        if let inner = section.section("not") { conditions.append(.not(LogCondition(inner, depth: depth + 1))) }
        for key in ["any", "all"] where section.has(key) {
            let inner = section.sections(key).map { LogCondition($0, depth: depth + 1) }
            if inner.isEmpty && section.node[key]?.items?.isEmpty == true {
                section.error(at: key, "an empty list decides nothing", hint: "remove it")
            }
            conditions.append(key == "any" ? .any(inner) : .all(inner))
        }
        for key in ["any", "all"] { _ = section.raw(key) }
        if conditions.isEmpty && section.node.entries?.isEmpty != false {
            section.error("asks for nothing", hint: "write status: { min: 500 }, or leave the filter out")
        }
        self = conditions.count == 1 ? conditions[0] : .all(conditions)
    }

    private static func range<Bound: Comparable>(
        _ low: Bound, _ high: Bound, _ section: ConfigSection
    ) -> ClosedRange<Bound> {
        if !section.has("min") && !section.has("max") {
            section.error("has no bounds", hint: "write { min: ... }, { max: ... } or both")
        }
        guard low <= high else {
            section.error(at: "min", "is above max")
            return high...high
        }
        return low...high
    }
}

extension RouteMatch {
    /// The conditions on a request beside others: as a route's, without hosts. Nil when none is written.
    init?(conditions section: ConfigSection) {
        let keys = ["path", "methods", "headers", "query", "tls"]
        guard keys.contains(where: section.has) else {
            for key in keys { _ = section.raw(key) }
            return nil
        }
        self.init()
        path = Self.path(section)
        methods = section.oneOrMore("methods", .method)
        headers = section.sections("headers").compactMap { HeaderMatch($0) }
        query = section.sections("query").compactMap { QueryMatch($0) }
        tls = section.section("tls").map { CertificateMatch($0) }
    }
}

extension ConfigScalar where Value == String {
    /// The letters of a response flag. Which there are is MartletFilter's to know, and checked when the condition is
    /// compiled.
    package static var flag: ConfigScalar {
        name.checked { $0.count <= 8 ? nil : Problem("\"\($0.prefix(60))\" is no flag") }
    }
}
