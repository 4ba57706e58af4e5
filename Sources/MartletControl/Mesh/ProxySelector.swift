package import MartletConfig

/// Which proxies something is for: those that meet every condition. One without conditions is for all.
package struct ProxySelector: Sendable, Hashable {
    /// Empty: any.
    package var ids: Set<String> = []
    package var clusters: Set<String> = []
    package var regions: Set<String> = []
    package var zones: Set<String> = []
    /// Each of them.
    package var labels: [String: String] = [:]

    package init() {}

    package func covers(_ proxy: ProxyIdentity) -> Bool {
        (ids.isEmpty || ids.contains(proxy.id)) && (clusters.isEmpty || clusters.contains(proxy.cluster))
            && (regions.isEmpty || regions.contains(proxy.region)) && (zones.isEmpty || zones.contains(proxy.zone))
            && labels.allSatisfy { proxy.labels[$0.key] == $0.value }
    }

    /// `{ ids: [..], clusters: [..], regions: [..], zones: [..], labels: { tier: edge } }`
    package init(_ section: ConfigSection) {
        ids = Set(section.strings("ids"))
        clusters = Set(section.strings("clusters"))
        regions = Set(section.strings("regions"))
        zones = Set(section.strings("zones"))
        if let labels = section.section("labels") {
            for entry in labels.allEntries() {
                if let value = labels.read(entry.value, .string) { self.labels[entry.key] = value }
            }
        }
        if ids.isEmpty, clusters.isEmpty, regions.isEmpty, zones.isEmpty, labels.isEmpty {
            section.error(
                "it says of no proxies that they are meant",
                hint: "proxies: { clusters: [edge] }, or ids, regions, zones, labels; without `proxies` all get it")
        }
    }
}
