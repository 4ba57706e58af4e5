internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import Synchronization

/// The settings of a `grpc_stats` filter, and the methods that are counted by name, which all workers share: each has the same.
public struct GRPCStatsConfig: Sendable {
    /// Messages are counted too, which is a look at every piece of body.
    let countsMessages: Bool
    let names: MethodNames

    static let defaultMaxMethods = 100

    init(_ section: ConfigSection) {
        countsMessages = section.bool("messages", default: true)
        let listed = section.values("methods", .grpcMethod)
        let isListed = section.has("methods")
        if isListed, section.has("max_methods") {
            section.error(at: "max_methods", "has no effect beside \"methods\"", hint: "remove one of the two")
        }
        let most = section.int("max_methods", default: Self.defaultMaxMethods, in: 1...10_000)
        names = isListed ? MethodNames(listed: listed) : MethodNames(max: most)
    }
}

/// Which methods have series of their own. All others count as `other`: what clients ask for must not grow memory.
final class MethodNames: Sendable {
    private let max: Int
    private let known: Locked<Set<[UInt8]>>

    /// Those, and no others.
    init(listed: [String]) {
        max = 0
        known = Locked(Set(listed.map { Array("/\($0)".utf8) }))
    }

    /// The first so many that upstreams have.
    init(max: Int) {
        self.max = max
        known = Locked([])
    }

    /// Longer names are nobody's.
    private static let maxBytes = 256

    /// Whether the method of this path has series of its own. Asked once a worker for each that it has not met yet. Any thread.
    func admits(_ path: [UInt8]) -> Bool {
        guard path.count <= Self.maxBytes else { return false }
        return known.withLock { known in
            if known.contains(path) { return true }
            guard known.count < max else { return false }
            known.insert(path)
            return true
        }
    }
}

extension ConfigScalar where Value == String {
    /// `package.Service/Method`.
    fileprivate static var grpcMethod: ConfigScalar {
        name.checked { text in
            let path = "/\(text)"
            return GRPCMethodPath(path.utf8Span.span) == nil
                ? Problem("\"\(text.prefix(60))\" is no method", hint: "write package.Service/Method") : nil
        }
    }
}
