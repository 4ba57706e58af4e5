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

    private init(
        _ type: ResourceType, _ index: [String: Resource], _ resources: [Resource], _ digest: UInt64, _ answer: Answer
    ) {
        (self.type, self.index, self.resources, self.digest) = (type, index, resources, digest)
        answers.withLock { $0 = [answer] }
    }

    /// The same with other versions of resources that are in it. Costs no more than copying it: nothing is sorted or compared.
    func replacing(_ changed: [Resource]) -> ResourceTable {
        var (index, resources, digest) = (index, resources, digest)
        var names: [String] = []
        for resource in changed {
            guard let present = index[resource.name], present.version != resource.version else { continue }
            index[resource.name] = resource
            resources[place(of: resource.name)] = resource
            digest = digest &- present.digest &+ resource.digest
            names.append(resource.name)
        }
        return names.isEmpty
            ? self : ResourceTable(type, index, resources, digest, Answer(base: self.digest, names: names))
    }

    /// Of one that is in it.
    private func place(of name: String) -> Int {
        var bounds = 0..<resources.count
        while bounds.count > 1 {
            let middle = bounds.lowerBound + bounds.count / 2
            bounds = resources[middle].name <= name ? middle..<bounds.upperBound : bounds.lowerBound..<middle
        }
        return bounds.lowerBound
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
