internal import MartletXDSMessages
internal import SwiftProtobuf

typealias HeaderEditsMessage = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation
typealias HeaderEditsChangeMessage = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute
private typealias Mutations = Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations
private typealias Mutation = Envoy_Config_Common_MutationRules_V3_HeaderMutation
private typealias Action = Envoy_Config_Core_V3_HeaderValueOption.HeaderAppendAction

// `headers`. Fields alone, and values without operators: what is nothing is no field in Martlet, and in Envoy what was there before.

extension HeaderEditsMessage: FilterSettings {
    static let filter = "headers"

    init?(settings: DocumentSection) {
        guard let mutations = Mutations(settings) else { return nil }
        self.init()
        self.mutations = mutations
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        mutations.section(reading, in: "\(field).mutations")
    }
}

extension HeaderEditsChangeMessage: FilterChange {
    static let filter = HeaderEditsMessage.filter
    static let isMerged = true

    init?(change: DocumentSection) {
        guard let mutations = Mutations(change) else { return nil }
        self.init()
        self.mutations = mutations
    }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        mutations.section(reading, in: "\(field).mutations").map { .section($0) }
    }
}

extension Mutations {
    fileprivate init?(_ settings: DocumentSection) {
        self.init()
        for entry in settings.entries {
            guard let list = entry.value.section.flatMap({ Mutation.list($0) }) else { return nil }
            switch entry.key {
            case "request": requestMutations = list
            case "response": responseMutations = list
            default: return nil
            }
        }
    }

    fileprivate func section(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        var settings = DocumentSection()
        for (key, list) in [("request", requestMutations), ("response", responseMutations)] where !list.isEmpty {
            guard let edits = Mutation.section(list, reading, in: "\(field).\(key)_mutations") else { return nil }
            settings[key] = .section(edits)
        }
        // One that does nothing waits for routes that say what; this is none that a client sees or an upstream sends.
        if settings.isEmpty { settings["response"] = .object(("remove", .texts(["x-martlet-nothing"]))) }
        return settings
    }
}

extension Mutation {
    /// In the order in which Martlet makes them.
    private static let kinds: [(String, Action?)] = [
        ("remove", nil), ("set", .overwriteIfExistsOrAdd), ("add", .appendIfExistsOrAdd),
        ("add_if_absent", .addIfAbsent),
    ]

    /// Nil: there are no words for them.
    fileprivate static func list(_ edits: DocumentSection) -> [Mutation]? {
        guard edits.keys.allSatisfy({ key in kinds.contains { $0.0 == key } }) else { return nil }
        var list: [Mutation] = []
        for (key, action) in kinds {
            guard let action else {
                list += (edits.texts(key) ?? []).map { name in .with { $0.remove = name } }
                continue
            }
            for entry in edits.section(key)?.entries ?? [] {
                let values = edits.section(key)?.texts(entry.key) ?? []
                // Of several that are set the last counts, which one message says as well.
                if action == .overwriteIfExistsOrAdd, values.count != 1 { return nil }
                list += values.map { value in
                    .with {
                        ($0.append.header.key, $0.append.header.value) = (entry.key, value)
                        $0.append.appendAction = action
                        $0.append.keepEmptyValue = value.isEmpty
                    }
                }
            }
        }
        return list
    }

    fileprivate static func section(
        _ list: [Mutation], _ reading: ResourceReading, in field: String
    ) -> DocumentSection? {
        var edits = DocumentSection()
        var order: [Int] = []
        var names: [String] = []
        for mutation in list {
            guard let (kind, name) = mutation.read(&edits, reading, in: field) else { return nil }
            order.append(kind)
            names.append(name.lowercased())
        }
        // What is about one field alone may come at any time.
        if order != order.sorted(), Set(names).count != names.count {
            reading.unsupported(field, "another order than remove, overwrite, append, add")
            return nil
        }
        return edits
    }

    /// Where it stands in `kinds`, and the field's name. Nil after reporting that it is not understood.
    private func read(
        _ edits: inout DocumentSection, _ reading: ResourceReading, in field: String
    ) -> (Int, String)? {
        switch action {
        case .remove(let name):
            guard Self.isField(name, reading, in: field) else { return nil }
            edits["remove"] = .texts((edits.texts("remove") ?? []) + [name])
            return (0, name)
        case .append(let option):
            let (name, value) = (option.header.key, option.header.value)
            guard Self.isField(name, reading, in: field) else { return nil }
            guard let kind = Self.kinds.firstIndex(where: { $0.1 == option.appendAction }) else {
                reading.unsupported(field, "\(option.appendAction)")
                return nil
            }
            if value.replacing("%%", with: "").contains("%") {
                reading.unsupported(field, "an operator")
                return nil
            }
            if value.isEmpty, !option.keepEmptyValue {
                reading.unsupported(field, "an empty value without keep_empty_value")
                return nil
            }
            let key = Self.kinds[kind].0
            var values = edits.section(key) ?? DocumentSection()
            let before = key == "set" ? [] : values.texts(name) ?? []
            values[name] = before.isEmpty ? .text(value) : .texts(before + [value])
            edits[key] = .section(values)
            return (kind, name)
        case nil:
            reading.error("\(field): there is no action that Martlet knows")
            return nil
        }
    }

    /// The host and what is no field are changed in other ways.
    private static func isField(_ name: String, _ reading: ResourceReading, in field: String) -> Bool {
        guard name.hasPrefix(":") || name.lowercased() == "host" else { return true }
        reading.unsupported(field, name)
        return false
    }
}
