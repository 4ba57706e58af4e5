internal import MartletCore
package import MartletXDS
internal import Synchronization

/// All resources of one type in a snapshot. Immutable, and shared by the streams of all proxies that get it.
package final class ResourceTable: Sendable {
    package let type: ResourceType
    /// By name.
    package let resources: [Resource]
    let digest: UInt64
    /// What the newest streams asked for: all of them move from the same few tables to this one. Told by content, not by
    /// reference, so that no table keeps its predecessors alive.
    private let answers = Locked<[Answer]>([])
    private let index: [String: Resource]

    private struct Answer {
        let base: UInt64
        let names: [String]
    }

    private static let keptAnswers = 4

    /// - Parameter index: by name.
    init(_ type: ResourceType, _ index: [String: Resource]) {
        self.type = type
        self.index = index
        resources = index.values.sorted { $0.name < $1.name }
        digest = index.values.reduce(0) { $0 &+ $1.digest }
    }

    /// Of the content: equal ones are equal.
    package var version: String { Self.version(digest) }

    static func version(_ digest: UInt64) -> String {
        let digits = String(digest, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    package subscript(name: String) -> Resource? { index[name] }

    /// The names under which `base` has something else, or nothing, or this table has nothing. Worked out once for all
    /// streams that ask.
    package func changes(since base: ResourceTable) -> [String] {
        if base === self || base.digest == digest { return [] }
        if let known = answers.withLock({ $0.first { $0.base == base.digest }?.names }) { return known }
        var names: [String] = []
        for resource in resources where base.index[resource.name]?.version != resource.version {
            names.append(resource.name)
        }
        for resource in base.resources where index[resource.name] == nil { names.append(resource.name) }
        // Two streams that ask at once both do the work; neither waits for the other.
        let answer = Answer(base: base.digest, names: names)
        answers.withLock { kept in
            if kept.count >= Self.keptAnswers { kept.removeFirst() }
            kept.append(answer)
        }
        return names
    }
}
