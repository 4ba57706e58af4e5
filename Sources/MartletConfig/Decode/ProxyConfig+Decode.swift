extension ProxyConfig {
    /// Reads and checks a file. `filters` are the names a chain may use. Nil when there are errors, which are then in
    /// `diagnostics`; warnings may be there in either case.
    package static func load(file: String, filters: Set<String>, diagnostics: ConfigDiagnostics) -> ProxyConfig? {
        let bytes: [UInt8]
        do {
            bytes = try ConfigFile.read(file, atMost: ConfigFile.maxConfiguration)
        } catch {
            diagnostics.add(
                ConfigError(
                    mark: ConfigMark(file: file, line: 1, column: 1), path: "", message: "cannot be read: \(error.reason)",
                    hint: nil))
            return nil
        }
        return decode(bytes, file: file, filters: filters, diagnostics: diagnostics)
    }

    /// As `load`, for text. Relative paths in it are relative to the folder of `file`.
    package static func parse(
        text: String, file: String, filters: Set<String>, diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        decode(Array(text.utf8), file: file, filters: filters, diagnostics: diagnostics)
    }

    private static func decode(
        _ bytes: [UInt8], file: String, filters: Set<String>, diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        guard let root = YAMLDocument.read(bytes, file: file, diagnostics: diagnostics) else { return nil }
        let section = ConfigSection(root, diagnostics: diagnostics)
        let config = ProxyConfig(section, file: file, filters: filters)
        section.finish()
        config.check(diagnostics)
        return diagnostics.hasErrors ? nil : config
    }

    private init(_ section: ConfigSection, file: String, filters: Set<String>) {
        self.file = file
        admin = section.section("admin").map { AdminConfig($0) }
        workers = section.int("workers", in: 1...1024)
        accessLog = AccessLogConfig(section, key: "access_log") ?? .off
        drain = section.section("drain").map { DrainConfig($0) } ?? DrainConfig()
        listeners = section.sections("listeners").map { ListenerConfig($0, filters: filters) }
        clusters = section.sections("clusters").compactMap { ClusterConfig($0) }
        policies = section.sections("policies").compactMap { PolicyConfig($0) }
        if !section.has("listeners") {
            section.missing("listeners", hint: "a proxy without a listener serves nobody")
        }
    }

    // MARK: What belongs together

    private func check(_ diagnostics: ConfigDiagnostics) {
        unique(listeners.map { ($0.name, $0.place.key("name")) }, "listener", diagnostics)
        unique(clusters.map { ($0.name, $0.place.key("name")) }, "cluster", diagnostics)
        unique(policies.map { ($0.name, $0.place.key("name")) }, "policy", diagnostics)
        var addresses: [ConfigAddress: String] = [:]
        for listener in listeners {
            if listener.address.port != 0, let other = addresses[listener.address] {
                diagnostics.error(
                    at: listener.place.key("address"), "listener \"\(other)\" has the address \(listener.address) too",
                    hint: "give each listener its own port")
            }
            addresses[listener.address] = listener.name
            check(listener, diagnostics)
        }
    }

    private func unique(_ names: [(String, ConfigPlace)], _ what: String, _ diagnostics: ConfigDiagnostics) {
        var seen: [String: Int] = [:]
        for (name, place) in names where !name.isEmpty {
            if let line = seen[name] {
                diagnostics.error(
                    at: place, "a second \(what) is called \"\(name)\"", hint: "the first is on line \(line)")
            } else {
                seen[name] = place.mark.line
            }
        }
    }

    private func check(_ listener: ListenerConfig, _ diagnostics: ConfigDiagnostics) {
        let known = Set(clusters.map(\.name))
        func require(_ reference: ClusterReference) {
            guard !reference.name.isEmpty, !known.contains(reference.name) else { return }
            diagnostics.error(
                at: reference.place, "no cluster is called \"\(reference.name.prefix(60))\"",
                hint: NearestName.hint(reference.name, in: known, what: "clusters"))
        }
        unique(listener.routes.compactMap { route in route.name.map { ($0, route.place.key("name")) } }, "route", diagnostics)
        for route in listener.routes {
            switch route.action {
            case .cluster(let reference): require(reference)
            case .split(let parts): for part in parts { require(part.cluster) }
            case .redirect, .respond: break
            }
            for mirror in route.mirrors { require(mirror.cluster) }
            let chain = Set(listener.filters.map(\.name))
            for override in route.overrides where !chain.contains(override.filter) {
                diagnostics.error(
                    at: override.place, "the listener's chain has no filter \"\(override.filter.prefix(60))\"",
                    hint: NearestName.hint(override.filter, in: chain, what: "filters of the chain"))
            }
        }
    }
}

extension AccessLogConfig {
    /// `access_log: off`, or a mapping. Nil when it is absent.
    init?(_ parent: ConfigSection, key: String) {
        guard let node = parent.raw(key) else { return nil }
        if node.isOff {
            self = .off
            return
        }
        let section = parent.section(of: node)
        let path = section.value("path", .name) ?? "/dev/stdout"
        let format = section.string("format", default: "json")
        target = .file(path: path.hasPrefix("/") ? path : ConfigFile.resolve(path, from: section.place.mark.file))
        switch format {
        case "json": self.format = .json
        case "text": self.format = .text(AccessLogPart.parse(AccessLogPart.standardLine, section))
        default:
            guard format.contains("%") else {
                section.error(
                    at: "format", "\"\(format.prefix(60))\" is not a format",
                    hint: "write json, text, or a line with operators such as %RESPONSE_CODE%")
                self.format = .json
                return
            }
            self.format = .text(AccessLogPart.parse(format, section))
        }
    }
}

extension AccessLogPart {
    /// Envoy's usual line.
    static let standardLine =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% "
        + "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESPONSE_DURATION% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
        + "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\""

    static func parse(_ text: String, _ section: ConfigSection) -> [AccessLogPart] {
        var parts: [AccessLogPart] = []
        var literal = ""
        var rest = text[...]
        while let first = rest.first {
            guard first == "%" else {
                literal.append(first)
                rest.removeFirst()
                continue
            }
            rest.removeFirst()
            if rest.first == "%" {
                literal.append("%")
                rest.removeFirst()
                continue
            }
            guard let end = rest.firstIndex(of: "%") else {
                section.error(at: "format", "an operator begins with % and does not end", hint: "write %% for a percent sign")
                break
            }
            let body = rest[..<end]
            rest = rest[rest.index(after: end)...]
            guard let part = part(body, section) else { continue }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(part)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    /// `NAME`, `NAME(ARGUMENT)`, `NAME(ARGUMENT?ALTERNATIVE):LENGTH`.
    private static func part(_ body: Substring, _ section: ConfigSection) -> AccessLogPart? {
        var name = body
        var argument: Substring?
        var limit: Int?
        if let open = body.firstIndex(of: "("), let close = body.lastIndex(of: ")"), open < close {
            name = body[..<open]
            argument = body[body.index(after: open)..<close]
            let tail = body[body.index(after: close)...]
            if tail.hasPrefix(":") { limit = Int(tail.dropFirst()) }
        }
        guard let known = AccessLogOperator(rawValue: String(name)) else {
            section.error(
                at: "format", "unknown operator \"%\(name.prefix(60))%\"",
                hint: NearestName.hint(String(name), in: AccessLogOperator.allCases.map(\.rawValue), what: "operators"))
            return nil
        }
        if known.takesHeader && argument == nil {
            section.error(at: "format", "%\(name)% needs a header", hint: "as in %\(name)(X-REQUEST-ID)%")
            return nil
        }
        // START_TIME's own format is not used: the field's default, ISO 8601, is written.
        let names = argument?.split(separator: "?", maxSplits: 1).map { $0.lowercased() } ?? []
        return .value(
            known, argument: known.takesHeader ? names.first : nil,
            alternative: known.takesHeader && names.count > 1 ? names[1] : nil, limit: limit)
    }
}
