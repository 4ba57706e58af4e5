internal import MartletCore
package import MartletHTTP

/// The routes of a listener, compiled so that finding one costs the same however many there are. The first in configured
/// order wins.
///
/// A request's host names a few groups of routes (its exact name, the wildcards it falls under, every host); each group
/// finds by path. What cannot be found that way, regular expressions, is tried in order.
package final class RouteIndex: Sendable {
    package let hasOverrides: Bool
    private let routes: [Route]
    /// Nil: host and path say it all.
    private let conditions: [RouteConditions?]
    private let hosts: HostTable
    private let groups: [RouteGroup]

    init(routes: [Route], conditions: [RouteConditions?], hosts: HostTable, groups: [RouteGroup]) {
        self.routes = routes
        self.conditions = conditions
        self.hosts = hosts
        self.groups = groups
        hasOverrides = routes.contains { $0.hasOverrides }
    }

    package func match(_ request: RequestHead) throws(RouteMatchFailure) -> Route? {
        var best = routes.count
        let path = request.path()
        if hosts.isPlain {
            best = try groups[0].first(path, below: best, conditions, request)
        } else {
            try hosts.forEachGroup(of: request.authority()) { group throws(RouteMatchFailure) in
                best = try groups[group].first(path, below: best, conditions, request)
            }
        }
        return best < routes.count ? routes[best] : nil
    }
}

/// Whether a route still matches once host and path are found. No closure: that would be an allocation a request.
@inline(__always)
func holds(
    _ position: Int, _ conditions: [RouteConditions?], _ request: RequestHead
) throws(RouteMatchFailure) -> Bool {
    guard let condition = conditions[position] else { return true }
    return try condition.holds(request)
}

/// The routes that share a host. A class, so that looking into one of a list copies nothing.
final class RouteGroup: Sendable {
    /// A group that routes are being added to.
    struct Draft {
        var paths = PathTable(folds: false)
        var foldedPaths = PathTable(folds: true)
        /// Routes whose path is no plain text, ascending.
        var others: [Int32] = []
    }

    private let paths: PathTable
    private let foldedPaths: PathTable
    private let others: [Int32]

    init(_ draft: Draft) {
        paths = draft.paths
        foldedPaths = draft.foldedPaths
        others = draft.others
    }

    func first(
        _ path: Span<UInt8>, below limit: Int, _ conditions: [RouteConditions?], _ request: RequestHead
    ) throws(RouteMatchFailure) -> Int {
        var best = try paths.first(path, below: limit, conditions, request)
        if !foldedPaths.isEmpty { best = try foldedPaths.first(path, below: best, conditions, request) }
        var index = 0
        while index < others.count, Int(others[index]) < best {
            if try holds(Int(others[index]), conditions, request) { return Int(others[index]) }
            index += 1
        }
        return best
    }
}

/// From a request's host to the groups whose pattern it matches. Group 0 is every host's.
struct HostTable: Sendable {
    private var exact = ByteTable(folds: true)
    private var suffixes = ByteTable(folds: true)
    private var prefixes = ByteTable(folds: true)
    private var exactGroups: [Int] = []
    private var suffixGroups: [Int] = []
    private var prefixGroups: [Int] = []

    /// No route asks for a host.
    var isPlain: Bool { exact.count + suffixes.count + prefixes.count == 0 }

    enum Kind { case exact, suffix, prefix }

    /// The group of a pattern; `make` is called for a new one.
    mutating func group(_ kind: Kind, _ text: String, _ make: () -> Int) -> Int {
        let key = Array(text.utf8)
        switch kind {
        case .exact: return Self.group(&exact, &exactGroups, key, make)
        case .suffix: return Self.group(&suffixes, &suffixGroups, key, make)
        case .prefix: return Self.group(&prefixes, &prefixGroups, key, make)
        }
    }

    private static func group(_ table: inout ByteTable, _ groups: inout [Int], _ key: [UInt8], _ make: () -> Int) -> Int
    {
        let number = table.insert(key)
        if number == groups.count { groups.append(make()) }
        return groups[number]
    }

    /// `authority` may have a port, which does not count.
    func forEachGroup(
        of authority: Span<UInt8>, _ body: (Int) throws(RouteMatchFailure) -> Void
    ) throws(RouteMatchFailure) {
        try body(0)
        let host = authority.withoutPort()
        if let number = exact.find(host) { try body(exactGroups[number]) }
        guard suffixes.count + prefixes.count > 0 else { return }
        var dot = host.firstIndex(of: 0x2E)
        while let at = dot {
            if at > 0, let number = suffixes.find(host.extracting(at..<host.count)) { try body(suffixGroups[number]) }
            if at + 1 < host.count, let number = prefixes.find(host.extracting(0..<(at + 1))) {
                try body(prefixGroups[number])
            }
            dot = host.firstIndex(of: 0x2E, from: at + 1)
        }
    }
}
