internal import MartletXDSMessages
internal import SwiftProtobuf

/// What the filters of a chain are called where each needs a name of its own: by what they are, `lua` filters by their policy,
/// and a number where one comes twice.
struct ChainNames {
    static let router = "envoy.filters.http.router"

    struct Link {
        var name: String
        var filter: String
        var settings: Document
        var policy: String
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
            var (name, number) = (base, 1)
            while !taken.insert(name).inserted {
                number += 1
                name = "\(base).\(number)"
            }
            links.append(Link(name: name, filter: filter, settings: settings, policy: policy))
        }
    }

    /// What a route changes about the filters called `filter`: under each one's name its settings, or that it does not run.
    func overrides(
        _ filter: String, _ change: Document, _ secrets: inout SecretWriter
    ) -> [(String, Google_Protobuf_Any)] {
        guard filter == "lua", let policies = change.section else {
            // One change is for all of that name; the first has it and the others are reached by it.
            guard let link = links.first(where: { $0.filter == filter }) else { return [] }
            return [(link.name, Self.override(filter, policy: "", change, &secrets))]
        }
        return policies.entries.map { entry in
            ("lua.\(entry.key)", Self.override(filter, policy: entry.key, entry.value, &secrets))
        }
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
