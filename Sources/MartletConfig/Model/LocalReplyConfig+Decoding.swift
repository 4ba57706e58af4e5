internal import MartletCore

extension LocalReplyConfig {
    static func replies(_ section: ConfigSection) -> [LocalReplyConfig] {
        let entries = section.sections("local_replies")
        if entries.count > maxEntries { section.error(at: "local_replies", "more than \(maxEntries) entries") }
        return entries.prefix(maxEntries).map { LocalReplyConfig($0) }
    }

    private init(_ section: ConfigSection) {
        place = section.place
        let match = section.section("match")
        statuses = match?.oneOrMore("status", .statusOrClass) ?? []
        flags = match?.oneOrMore("flags", .flag) ?? []
        reasons = match?.oneOrMore("reasons", .name) ?? []
        request = match.flatMap { RouteMatch(conditions: $0) }
        status = section.int("status", in: 200...599)
        headers = section.formats("headers", .headerName)
        textBody = section.format("text", for: .localReply)
        jsonBody = section.template("json", for: .localReply)
        contentType = section.headerValue("content_type")
        if contentType != nil && textBody == nil {
            section.error(at: "content_type", "says what \"text\" is, which is not there")
        }
        for field in headers {
            switch field.name {
            case .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .contentType, .xMartletError:
                section.error(
                    at: "headers", "\(field.name) cannot be set here",
                    hint: field.name == .contentType ? "write content_type" : nil)
            default: break
            }
        }
        if status == nil && headers.isEmpty && textBody == nil && jsonBody == nil && !section.isMalformed {
            section.error("changes nothing", hint: "write status, headers, text or json")
        }
    }
}

extension ConfigSection {
    /// A mapping from names to texts with operators, `name: value` or `name: [value, value]`, in file order.
    package func formats<Name>(
        _ key: String, _ kind: ConfigScalar<Name>, for use: FormatUse = .general
    ) -> [(name: Name, value: [FormatPart])] {
        guard let section = section(key) else { return [] }
        var formats: [(name: Name, value: [FormatPart])] = []
        var names: Set<String> = []
        for entry in section.allEntries() {
            let place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
            guard case .success(let name) = kind.parse(entry.key) else {
                diagnostics.error(at: place, "\"\(entry.key.prefix(60))\" is not \(kind.expected)")
                continue
            }
            if !names.insert(entry.key.lowercased()).inserted {
                diagnostics.error(
                    at: place, "\"\(entry.key.prefix(60))\" twice", hint: "write name: [first, second] for two")
            }
            for value in entry.value.items ?? [entry.value] {
                guard let text = read(value, .headerValue) else { continue }
                formats.append(
                    (name, FormatPart.parse(text, for: use) { diagnostics.error(at: value.place, $0, hint: $1) }))
            }
        }
        return formats
    }
}

extension ConfigScalar where Value == ClosedRange<Int> {
    /// `503`, or `5xx`.
    static var statusOrClass: ConfigScalar {
        ConfigScalar(expected: "a status such as 503 or 5xx") { text in
            if text.count == 3, text.hasSuffix("xx"), let digit = text.first?.wholeNumberValue, (2...5).contains(digit)
            {
                return .success(digit * 100...digit * 100 + 99)
            }
            if let status = Int(text), (200...599).contains(status) { return .success(status...status) }
            return .failure(Problem("\"\(text.prefix(60))\" is not a status", hint: "200 to 599, or 2xx to 5xx"))
        }
    }
}
