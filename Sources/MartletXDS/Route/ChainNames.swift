internal import MartletXDSMessages
internal import SwiftProtobuf

/// What the filters of a chain are called where each needs a name of its own: by what they are, `lua` filters by their policy,
/// and a number where one comes twice, or is several of Envoy's.
struct ChainNames {
    static let router = "envoy.filters.http.router"

    struct Link {
        var name: String
        var filter: String
        var settings: Document
        var policy: String
        /// Envoy's, where it has words for all of it.
        var message: Google_Protobuf_Any?
    }

    private(set) var links: [Link] = []

    /// - Parameter filters: the items of `filters`.
    init(_ filters: [Document]) {
        var taken: Set<String> = []
        for item in filters {
            let entry = item.section?.entries.first
            let filter = entry?.key ?? item.text ?? ""
            let settings = entry?.value ?? .null
            let policy = filter == "lua" ? settings.section?.text("policy") ?? "" : ""
            let base = policy.isEmpty ? filter : "lua.\(policy)"
            let messages = EnvoyFilters.messages(filter, settings)
            for message in messages.isEmpty ? [nil] : messages.map(Optional.some) {
                var (name, number) = (base, 1)
                while !taken.insert(name).inserted {
                    number += 1
                    name = "\(base).\(number)"
                }
                links.append(Link(name: name, filter: filter, settings: settings, policy: policy, message: message))
            }
        }
    }

    /// What the filters are, by their names.
    var filters: [String: String] { Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0.filter) }) }

    /// What a route changes about the filters called `filter`: under each one's name its settings, or that it does not run.
    func overrides(
        _ filter: String, _ change: Document, _ secrets: inout SecretWriter
    ) -> [(String, Google_Protobuf_Any)] {
        guard filter == "lua", let policies = change.section else {
            let links = links.filter { $0.filter == filter }
            if let message = Self.envoys(links, filter, change) { return links.map { ($0.name, message) } }
            // One change is for all of that name; the first has it and the others are reached by it.
            return links.prefix(1).map { ($0.name, Self.override(filter, policy: "", change, &secrets)) }
        }
        return policies.entries.map { entry in
            ("lua.\(entry.key)", Self.override(filter, policy: entry.key, entry.value, &secrets))
        }
    }

    /// In Envoy's words; nil where it has none for the filters or for the change.
    private static func envoys(_ links: [Link], _ filter: String, _ change: Document) -> Google_Protobuf_Any? {
        guard links.allSatisfy({ $0.message != nil }) else { return nil }
        guard change.text == "off" else { return EnvoyFilters.message(filter, change: change) }
        return Google_Protobuf_Any(of: Envoy_Config_Route_V3_FilterConfig.with { $0.disabled = true })
    }

    private static func override(
        _ filter: String, policy: String, _ change: Document, _ secrets: inout SecretWriter
    ) -> Google_Protobuf_Any {
        guard change.text == "off" else {
            return Google_Protobuf_Any(of: FilterMessage(filter, policy: policy, change, &secrets))
        }
        let message = FilterMessage.with { ($0.name, $0.policy) = (filter, policy) }
        // The standard way to say so, which a client can follow whatever the filter.
        return Google_Protobuf_Any(
            of: Envoy_Config_Route_V3_FilterConfig.with {
                $0.config = Google_Protobuf_Any(of: message)
                $0.disabled = true
            })
    }
}
