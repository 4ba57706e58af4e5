internal import MartletXDSMessages
internal import SwiftProtobuf

typealias HTTPFilterMessage = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter
private typealias LuaMessage = Envoy_Extensions_Filters_Http_Lua_V3_Lua
typealias RouterMessage = Envoy_Extensions_Filters_Http_Router_V3_Router

// One filter of a chain: in Envoy's words where they say all of it (`EnvoyFilters`), or in Martlet's own, which nobody who does
// not know them may skip.

extension HTTPFilterMessage {
    init(_ link: ChainNames.Link, _ secrets: inout SecretWriter) {
        self.init()
        if link.filter == "router" {
            name = ChainNames.router
            typedConfig = Google_Protobuf_Any(of: RouterMessage())
            return
        }
        name = link.name
        if let message = link.message {
            typedConfig = message
            return
        }
        typedConfig = Google_Protobuf_Any(of: FilterMessage(link.filter, policy: link.policy, link.settings, &secrets))
    }

    /// The items of `filters`. What is left out has been reported.
    static func documents(_ filters: [HTTPFilterMessage], _ reading: ResourceReading) -> [Document] {
        var groups: [(part: String?, filters: [HTTPFilterMessage])] = []
        var seen: Set<String> = []
        for filter in filters {
            let part = filter.part
            if let part, groups.last?.part == part {
                groups[groups.count - 1].filters.append(filter)
                continue
            }
            if let part, !seen.insert(part).inserted {
                reading.error(
                    "\(filter.field): another \(part) further up in the chain is not supported",
                    hint: "put the two beside each other")
            }
            groups.append((part, [filter]))
        }
        return groups.compactMap { $0.filters[0].document($0.filters, reading) }
    }

    private var field: String { "http_filters \(name)" }

    /// What of Martlet's filters it may be one of several parts of.
    private var part: String? {
        guard case .typedConfig(let any) = configType else { return nil }
        return EnvoyFilters.filter(ofPart: any)
    }

    /// An item of `filters`. Nil: it is left out, which has been reported.
    ///
    /// - Parameter parts: this filter and those that are one with it.
    private func document(_ parts: [HTTPFilterMessage], _ reading: ResourceReading) -> Document? {
        for part in parts where part.disabled { reading.unsupported(part.field, "disabled") }
        switch configType {
        case .typedConfig(let any):
            if any.isA(RouterMessage.self) {
                _ = reading.unpack(any, as: RouterMessage.self, in: field)
                return .text("router")
            }
            if any.isA(LuaMessage.self) {
                return reading.unpack(any, as: LuaMessage.self, in: field)?.document(name: name, reading)
            }
            if let filter = EnvoyFilters.filter(of: any) {
                let settings = EnvoyFilters.settings(of: parts.map { ($0.typedConfig, $0.field) }, reading)
                return settings.map { $0.isEmpty ? .text(filter) : .object((filter, .section($0))) }
            }
            if isOptional, !any.isA(FilterMessage.self) {
                reading.warning("\(field): \(any.shortName) has no counterpart, and may be left out")
                return nil
            }
            guard let filter = reading.unpack(any, as: FilterMessage.self, in: field) else { return nil }
            for name in filter.files { reading.findings.add(name, reading) }
            if case .null = filter.settings.kind { return .text(filter.name) }
            guard filter.hasSettings else { return .text(filter.name) }
            return .section(DocumentSection([(filter.name, Document(filter.settings))]))
        case .configDiscovery:
            reading.unsupported(field, "config_discovery")
            return nil
        case nil:
            reading.error("\(field): there is no configuration in it")
            return nil
        }
    }
}

extension ConnectionManager {
    /// Tells `reading`, of the routes, what the filters are.
    func describeChain(to reading: inout ResourceReading) {
        var working: Set<String> = []
        for filter in httpFilters {
            let any = filter.typedConfig
            let kind =
                any.isA(LuaMessage.self)
                ? "lua" : EnvoyFilters.filter(of: any) ?? (try? FilterMessage(unpackingAny: any))?.name
            guard let kind else { continue }
            reading.chain[filter.name] = kind
            if EnvoyFilters.isIdle(any) { reading.idle.insert(kind) } else { working.insert(kind) }
        }
        // Of one kind, what is off is all of them.
        reading.idle.subtract(working)
    }
}

extension FilterMessage {
    init(_ name: String, policy: String, _ settings: Document, _ secrets: inout SecretWriter) {
        self.init()
        (self.name, self.policy) = (name, policy)
        self.settings = .init(settings)
        files = secrets.files(in: settings)
    }
}

extension LuaMessage {
    /// A script of Envoy's is a policy: the names of its hooks are known here. Where one fails Envoy goes on without it.
    fileprivate func document(name: String, _ reading: ResourceReading) -> Document? {
        var policy = DocumentSection()
        if hasDefaultSourceCode {
            switch defaultSourceCode.specifier {
            case .inlineString(let text): policy["inline"] = .text(text)
            default:
                guard let path = reading.path(defaultSourceCode, in: "http_filters \(name).default_source_code") else {
                    return nil
                }
                policy["file"] = .text(path)
            }
        } else if !inlineCode.isEmpty {
            policy["inline"] = .text(inlineCode)
        } else {
            reading.error("http_filters \(name): there is no script that Martlet can find")
            return nil
        }
        policy["on_error"] = .text("skip")
        let words = name.split(separator: ".").last.map(String.init) ?? "lua"
        let policyName = reading.findings.add(policy: policy, as: "\(reading.name).\(words)", reading)
        return .object(("lua", .object(("policy", .text(policyName)))))
    }
}
