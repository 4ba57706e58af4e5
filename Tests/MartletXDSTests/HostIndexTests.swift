internal import Testing

@testable internal import MartletXDS

@Suite("Hosts and virtual hosts")
struct HostIndexTests {
    /// The first route that Martlet finds for a host.
    private static func first(_ host: String, _ routes: [[String]]) -> [Int] {
        routes.indices.filter { routes[$0].isEmpty || routes[$0].contains { matches($0, host) } }
    }

    private static func matches(_ pattern: String, _ host: String) -> Bool {
        if pattern == "*" { return true }
        if pattern.hasPrefix("*") { return host.hasSuffix(pattern.dropFirst()) && host.count >= pattern.count }
        if pattern.hasSuffix("*") { return host.hasPrefix(pattern.dropLast()) && host.count >= pattern.count }
        return host == pattern
    }

    /// Those that Envoy looks at: of the one virtual host whose domain is exact, or has the longest end, or beginning.
    private static func asked(_ host: String, _ hosts: [(domains: [String], members: [HostIndex.Member])]) -> [Int] {
        func rank(_ domain: String) -> (Int, Int) {
            let kind = domain == "*" ? 3 : domain.hasPrefix("*") ? 1 : domain.hasSuffix("*") ? 2 : 0
            return (kind, -domain.count)
        }
        let candidates = hosts.flatMap { entry in entry.domains.map { (domain: $0, members: entry.members) } }
        let best = candidates.filter { matches($0.domain, host) }.min { rank($0.domain) < rank($1.domain) }
        return (best?.members ?? []).filter { $0.start.map { host.hasPrefix($0) } ?? true }.map(\.position)
    }

    @Test("Every host meets the same routes in the same order", arguments: 0..<200)
    func same(seed: Int) {
        var chance = MeshGenerator(seed: UInt64(seed))
        let patterns = [
            "a.b.c", "b.c", "www.b.c", "*.c", "*.b.c", "*.a.b.c", "www.*", "a.*", "a.b.*", "*", "x.a.b.c",
        ]
        let routes = (0..<chance.number(1...6)).map { _ in chance.chance(15) ? [] : chance.some(patterns, least: 1) }
        let virtualHosts = HostIndex(routes).virtualHosts()
        let domains = virtualHosts.flatMap(\.domains)
        #expect(Set(domains).count == domains.count)
        for host in [
            "a.b.c", "b.c", "c", "www.b.c", "www.c", "a.c", "a.b.d", "a.d", "x.a.b.c", "www.a.b.c", "q", "www.d",
        ] {
            #expect(Self.asked(host, virtualHosts) == Self.first(host, routes), "\(host) \(routes)")
        }
    }
}
