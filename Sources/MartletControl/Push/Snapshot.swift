package import MartletXDS

/// What one group of proxies is to have: a table a type. Immutable; to copy it copies no resource.
package struct Snapshot: Sendable {
    /// One a type, in the order of `ResourceType.allCases`.
    private let tables: [ResourceTable]
    /// Tables of the snapshots before this one, the newest last: a proxy that returns tells by version which one it has.
    private let earlier: [[ResourceTable]]

    private static let keptTables = 4

    /// Nothing of any type.
    package init() {
        tables = ResourceType.allCases.map { ResourceTable($0, [:]) }
        earlier = ResourceType.allCases.map { _ in [] }
    }

    /// - Parameter previous: the same group's snapshot until now. What is the same in both is shared.
    package init(_ resources: [Resource], after previous: Snapshot = Snapshot()) throws(SnapshotFault) {
        var indexes = ResourceType.allCases.map { _ in [String: Resource]() }
        for resource in resources {
            let known = previous.table(resource.type)[resource.name]
            let shared = known?.version == resource.version ? known : nil
            let replaced = indexes[resource.type.ordinal].updateValue(shared ?? resource, forKey: resource.name)
            if replaced != nil { throw .duplicate(resource.type, resource.name) }
        }
        var tables: [ResourceTable] = []
        var earlier: [[ResourceTable]] = []
        for type in ResourceType.allCases {
            let table = ResourceTable(type, indexes[type.ordinal])
            let before = previous.table(type)
            if table.digest == before.digest {
                tables.append(before)
                earlier.append(previous.earlier[type.ordinal])
            } else {
                tables.append(table)
                earlier.append((previous.earlier[type.ordinal] + [before]).suffix(Self.keptTables))
            }
        }
        self.tables = tables
        self.earlier = earlier
    }

    private init(_ tables: [ResourceTable], _ earlier: [[ResourceTable]]) {
        (self.tables, self.earlier) = (tables, earlier)
    }

    /// The same with other versions of endpoints that are in it: everything else is shared, and so costs nothing.
    package func replacing(endpoints: [Resource]) -> Snapshot {
        let (place, before) = (ResourceType.endpoints.ordinal, table(.endpoints))
        let table = before.replacing(endpoints)
        guard table !== before else { return self }
        var (tables, earlier) = (tables, earlier)
        tables[place] = table
        earlier[place] = (earlier[place] + [before]).suffix(Self.keptTables)
        return Snapshot(tables, earlier)
    }

    package func table(_ type: ResourceType) -> ResourceTable { tables[type.ordinal] }

    /// The table that has this version, if it is the present one or was not long ago.
    func table(_ type: ResourceType, version: String) -> ResourceTable? {
        let present = table(type)
        return present.version == version ? present : earlier[type.ordinal].last { $0.version == version }
    }

    /// References to what is not in the snapshot. What refers to a missing cluster is never pushed; the check before a
    /// change is kept sees to it that there is none.
    package var danglingReferences: [Reference] {
        var missing: Set<Reference> = []
        for table in tables {
            for resource in table.resources {
                for reference in resource.references
                where reference.name != Reference.anyName && self.table(reference.type)[reference.name] == nil {
                    missing.insert(reference)
                }
            }
        }
        return missing.sorted { ($0.type.ordinal, $0.name) < ($1.type.ordinal, $1.name) }
    }
}

package enum SnapshotFault: Error, Equatable, CustomStringConvertible {
    case duplicate(ResourceType, String)

    package var description: String {
        switch self {
        case .duplicate(let type, let name): "two resources of the type \(type.typeURL) have the name \(name)"
        }
    }
}
