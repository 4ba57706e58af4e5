public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `geo`: tells upstreams which region a client is in, and turns some regions away.
///
///     - geo:
///         regions: { at: [192.0.2.0/24, 2001:db8:1::/48], de: [198.51.100.0/24] }
///         header: x-region
///         deny: [de]
public struct GeoKind: FilterKind {
    public let name = "geo"

    public init() {}

    public struct Config: Sendable {
        let regions: [(name: String, addresses: IPSet)]
        let header: HeaderName
        let deny: Set<String>
    }

    /// What a route may write: `filters: { geo: { deny: [] } }`.
    public struct RouteConfig: Sendable {
        let deny: Set<String>
    }

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> Config? {
        guard let map = section.section("regions") else {
            section.missing("regions", hint: "expected regions: { name: [10.0.0.0/8] }")
            return nil
        }
        let regions = map.allEntries().map { entry in
            (name: entry.key, addresses: IPSet(map.values(entry.key, .prefix)))
        }
        guard let header = section.headerName("header") ?? HeaderName("x-region") else { return nil }
        let names = regions.map(\.name)
        return Config(regions: regions, header: header, deny: deny(section, among: names))
    }

    public func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        RouteConfig(deny: deny(section, among: config.regions.map(\.name)))
    }

    private func deny(_ section: ConfigSection, among names: [String]) -> Set<String> {
        let deny = section.strings("deny")
        for name in deny where !names.contains(name) {
            section.error(
                at: "deny", "no region is called \"\(name)\"", hint: "regions: \(names.joined(separator: ", "))")
        }
        return Set(deny)
    }

    public func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter { Geo(config, context) }
}

extension ConfigScalar where Value == IPPrefix {
    fileprivate static var prefix: ConfigScalar {
        ConfigScalar(expected: "an address such as 10.0.0.0/8") { text in
            do {
                return .success(try IPPrefix(text))
            } catch {
                return .failure(Problem("\"\(text.prefix(60))\" is not an address such as 10.0.0.0/8"))
            }
        }
    }
}

final class Geo: Filter {
    let hooks: Hooks = [.requestHead]

    private let config: GeoKind.Config
    private let context: FilterContext
    private let denied: Counter

    init(_ config: GeoKind.Config, _ context: FilterContext) {
        self.config = config
        self.context = context
        denied = context.counter("geo_denied_total")
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let address = IPAddress(exchange.clientIP)
        let region = address.flatMap { address in config.regions.first { $0.addresses.contains(address) }?.name }
        guard let region else {
            // A client must not say it for itself.
            exchange.request.headers.remove(config.header)
            return .next
        }
        let route = context.routeConfig(of: exchange, as: GeoKind.RouteConfig.self)
        guard !(route?.deny ?? config.deny).contains(region) else {
            denied.add()
            return .reply(.refusal(403, "region-denied", flag: .denied))
        }
        exchange.request.headers.set(config.header, region)
        return .next
    }
}
