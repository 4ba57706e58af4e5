/// Which routes of a list a request may meet, by its host: Martlet asks them all in order, Envoy only those of the virtual
/// host with the most specific domain. So each domain gets every route that a host of its may meet.
struct HostIndex {
    /// A route in a virtual host. With a `start`, only for hosts that begin so.
    struct Member: Hashable {
        var position: Int
        var start: String?
    }

    /// Of routes that take every host.
    private var any: [Int] = []
    private var exact: [String: [Int]] = [:]
    /// By `.example.com`.
    private var suffix: [String: [Int]] = [:]
    /// By `www.`.
    private var prefix: [String: [Int]] = [:]

    /// - Parameter hosts: of each route; empty is every host.
    init(_ hosts: [[String]]) {
        for (position, patterns) in hosts.enumerated() {
            let patterns = patterns.map { $0.lowercased() }
            if patterns.isEmpty || patterns.contains("*") {
                any.append(position)
                continue
            }
            for pattern in patterns {
                if pattern.hasPrefix("*") {
                    suffix[String(pattern.dropFirst()), default: []].append(position)
                } else if pattern.hasSuffix("*") {
                    prefix[String(pattern.dropLast()), default: []].append(position)
                } else {
                    exact[pattern, default: []].append(position)
                }
            }
        }
    }

    /// Every domain with its routes in order; those with the same routes together. The one of all hosts comes last.
    func virtualHosts() -> [(domains: [String], members: [Member])] {
        var order: [[Member]] = []
        var domains: [[Member]: [String]] = [:]
        func add(_ domain: String, _ members: [Member]) {
            if domains[members] == nil { order.append(members) }
            domains[members, default: []].append(domain)
        }
        for host in exact.keys.sorted() { add(host, members(ofHost: host)) }
        for end in suffix.keys.sorted() { add("*" + end, members(ofSuffix: end)) }
        for start in prefix.keys.sorted() { add(start + "*", members(ofPrefix: start)) }
        if !any.isEmpty { add("*", any.map { Member(position: $0) }) }
        return order.map { (domains[$0] ?? [], $0) }
    }

    private func members(ofHost host: String) -> [Member] {
        var positions = Set(any)
        positions.formUnion(exact[host] ?? [])
        for end in Self.ends(of: host) { positions.formUnion(suffix[end] ?? []) }
        for start in Self.starts(of: host) { positions.formUnion(prefix[start] ?? []) }
        return positions.sorted().map { Member(position: $0) }
    }

    private func members(ofSuffix end: String) -> [Member] {
        var positions = Set(any)
        positions.formUnion(suffix[end] ?? [])
        for end in Self.ends(of: end) { positions.formUnion(suffix[end] ?? []) }
        var members = positions.map { Member(position: $0) }
        // `www.*` and `*.example.com` share some hosts, and Envoy looks at ends first.
        for (start, routes) in prefix {
            let shorter = Self.starts(of: start).compactMap { prefix[$0] }
            for position in routes where !positions.contains(position) {
                // Of `a.*` and `a.b.*` in one route the former says it all.
                if shorter.contains(where: { $0.contains(position) }) { continue }
                members.append(Member(position: position, start: start))
            }
        }
        return members.sorted { ($0.position, $0.start ?? "") < ($1.position, $1.start ?? "") }
    }

    private func members(ofPrefix start: String) -> [Member] {
        var positions = Set(any)
        positions.formUnion(prefix[start] ?? [])
        for start in Self.starts(of: start) { positions.formUnion(prefix[start] ?? []) }
        return positions.sorted().map { Member(position: $0) }
    }

    /// `.b.c` and `.c` of `a.b.c`, and of `.b.c` only `.c`.
    private static func ends(of host: String) -> [String] {
        host.indices.dropFirst().filter { host[$0] == "." }.map { String(host[$0...]) }
    }

    /// `a.` and `a.b.` of `a.b.c`, and of `a.b.` only `a.`.
    private static func starts(of host: String) -> [String] {
        host.indices.dropLast().filter { host[$0] == "." }.map { String(host[...$0]) }
    }
}
