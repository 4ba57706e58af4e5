/// Decoding of `access_log`, and the reading of text formats.
extension AccessLogConfig {
    /// The line the field knows, and what `format: text` writes.
    package static let defaultText =
        #"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% "#
        + #"%BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "#
        + #""%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#

    package static let defaultPath = "/dev/stdout"

    /// Reads `off` or `{ path: ..., format: ... }`.
    init(_ node: ConfigNode, in section: ConfigSection) {
        if node.isOff {
            self = .off
            return
        }
        if let text = node.text {
            section.diagnostics.error(
                at: node.place, "expected a mapping or \"off\", found \(node.kind)",
                hint: "write { path: \(text.prefix(60)) }")
            self = .off
            return
        }
        let log = section.section(of: node)
        let path = log.value("path", .name) ?? Self.defaultPath
        target = .file(path: ConfigFile.resolve(path, from: node.mark.file), log.place(of: "path"))
        format = .json
        guard let text = log.value("format", .name), let place = log.raw("format")?.place else { return }
        switch text {
        case "json": break
        case "text": format = .text(AccessLogPart.parse(Self.defaultText) { _, _ in })
        case let text where text.contains("%"):
            format = .text(
                AccessLogPart.parse(text) { section.diagnostics.error(at: place, $0, hint: $1) })
        default:
            let names = ["json", "text"]
            let nearest = NearestName.of(text, in: names).map { "did you mean \"\($0)\"? " } ?? ""
            log.error(
                at: "format", "\"\(text.prefix(60))\" is not a format",
                hint: "\(nearest)valid: json, text, or a text with operators such as %RESPONSE_CODE%")
        }
    }
}

extension AccessLogPart {
    /// Splits a format at its operators. `%%` is a percent sign.
    static func parse(_ format: String, report: (_ message: String, _ hint: String?) -> Void) -> [AccessLogPart] {
        var parts: [AccessLogPart] = []
        var literal = ""
        var rest = format[...]
        while let start = rest.firstIndex(of: "%") {
            literal += rest[..<start]
            rest = rest[rest.index(after: start)...]
            guard let end = endOfOperator(rest) else {
                report("the operator %\(rest.prefix(40)) is not closed", "write %% for a percent sign")
                break
            }
            let text = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if text.isEmpty {
                literal += "%"
                continue
            }
            if let part = value(text, report) {
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(part)
            }
        }
        literal += rest
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    /// The next `%` outside of parentheses.
    private static func endOfOperator(_ text: Substring) -> Substring.Index? {
        var isInArgument = false
        for index in text.indices {
            switch text[index] {
            case "(": isInArgument = true
            case ")": isInArgument = false
            case "%" where !isInArgument: return index
            default: break
            }
        }
        return nil
    }

    /// `NAME`, `NAME(ARGUMENT?ALTERNATIVE)`, either with `:LIMIT`.
    private static func value(_ text: Substring, _ report: (String, String?) -> Void) -> AccessLogPart? {
        let nameEnd = text.firstIndex { $0 == "(" || $0 == ":" } ?? text.endIndex
        let name = String(text[..<nameEnd])
        guard let operation = AccessLogOperator(rawValue: name) else {
            report(
                "unknown operator %\(name.prefix(60))%",
                NearestName.hint(name, in: AccessLogOperator.allCases.map(\.rawValue), what: "operators"))
            return nil
        }
        var rest = text[nameEnd...]
        var names: [String] = []
        if rest.first == "(" {
            guard let close = rest.firstIndex(of: ")") else {
                report("%\(name)(...)% is not closed", nil)
                return nil
            }
            names = rest[rest.index(after: rest.startIndex)..<close].split(
                separator: "?", maxSplits: 1, omittingEmptySubsequences: false
            ).map { $0.lowercased() }
            rest = rest[rest.index(after: close)...]
        }
        guard operation.takesHeader == !names.isEmpty else {
            report(
                operation.takesHeader ? "%\(name)% names no header" : "%\(name)% takes no argument",
                operation.takesHeader ? "write %\(name)(HEADER)%" : "write %\(name)%")
            return nil
        }
        guard names.allSatisfy(isHeader) else {
            report("%\(name)(...)% names no header", "write %\(name)(HEADER)% or %\(name)(HEADER?OTHER)%")
            return nil
        }
        var limit: Int?
        if rest.first == ":" {
            limit = Int(rest.dropFirst()).flatMap { (1...65_536).contains($0) ? $0 : nil }
            rest = limit == nil ? rest : ""
        }
        guard rest.isEmpty else {
            report("%\(text.prefix(60))% is not an operator", "after the name may come (HEADER) and :LIMIT")
            return nil
        }
        return .value(
            operation, argument: names.first, alternative: names.count > 1 ? names[1] : nil, limit: limit)
    }

    /// A token, or a pseudo-header.
    private static func isHeader(_ name: String) -> Bool {
        let token = name.hasPrefix(":") ? name.dropFirst() : name[...]
        return !token.isEmpty
            && token.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
                    || "!#$&'*+-.^_`|~".utf8.contains(byte)
            }
    }
}
