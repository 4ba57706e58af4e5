internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("Snapshots")
struct SnapshotTests {
    @Test("What is the same in the next snapshot is the same object")
    func shared() throws {
        let one = try Snapshot([cluster("a"), cluster("b"), endpoints("a")])
        let two = try Snapshot([cluster("a"), cluster("b", "2"), endpoints("a")], after: one)
        #expect(one.table(.endpoints) === two.table(.endpoints))
        #expect(one.table(.cluster) !== two.table(.cluster))
        #expect(one.table(.cluster)["a"] === two.table(.cluster)["a"])
        #expect(two.table(.cluster).changes(since: one.table(.cluster)) == ["b"])
    }

    @Test("A table's version is that of its content, whatever came before")
    func versions() throws {
        let one = try Snapshot([cluster("a"), cluster("b")])
        let two = try Snapshot([cluster("b")], after: one)
        let three = try Snapshot([cluster("b"), cluster("a")], after: two)
        #expect(one.table(.cluster).version == three.table(.cluster).version)
        #expect(one.table(.cluster).version != two.table(.cluster).version)
        #expect(three.table(.cluster, version: two.table(.cluster).version) === two.table(.cluster))
    }

    @Test("Endpoints replaced singly make the same snapshot as one that is made anew")
    func replaced() throws {
        let names = ["a", "b", "c", "d", "e"]
        let one = try Snapshot(names.map { endpoints($0) } + [cluster("a")])
        for changed in names {
            let two = one.replacing(endpoints: [endpoints(changed, "2"), endpoints("nobody", "2")])
            let whole = try Snapshot(
                names.map { endpoints($0, $0 == changed ? "2" : "1") } + [cluster("a")], after: one)
            let (table, before) = (two.table(.endpoints), one.table(.endpoints))
            #expect(table.version == whole.table(.endpoints).version)
            #expect(table.resources.map(\.name) == names && table[changed]?.version == "2")
            #expect(table.resources.map(\.version) == whole.table(.endpoints).resources.map(\.version))
            #expect(table.changes(since: before) == [changed] && table[changed] !== before[changed])
            #expect(two.table(.cluster) === one.table(.cluster))
            #expect(two.table(.endpoints, version: before.version) === before)
        }
        #expect(one.replacing(endpoints: [endpoints("a")]).table(.endpoints) === one.table(.endpoints))
    }

    @Test("A few tables of before are known by their version, no more")
    func bounded() throws {
        var snapshots = [try Snapshot([cluster("a", "0")])]
        for version in 1...20 {
            snapshots.append(try Snapshot([cluster("a", "\(version)")], after: snapshots[version - 1]))
        }
        let last = snapshots[20]
        let known = snapshots.filter { last.table(.cluster, version: $0.table(.cluster).version) != nil }
        #expect(known.count == 5)
    }

    @Test("Two resources of one name are refused; references to nothing are told")
    func faults() throws {
        #expect(throws: SnapshotFault.duplicate(.cluster, "a")) { try Snapshot([cluster("a"), cluster("a", "2")]) }
        let snapshot = try Snapshot([cluster("a", endpoints: "e"), route("r", to: ["a", "b"])])
        #expect(snapshot.danglingReferences == [Reference(.cluster, "b"), Reference(.endpoints, "e")])
    }

    @Test("A thousand proxies that are up to date share everything, and a change costs each its own names only")
    func thousandProxies() throws {
        let clusters = (0..<200).map { cluster("c\($0)") }
        let first = try Snapshot(clusters)
        var streams = (0..<1000).map { _ in DiscoveryStream(.delta, snapshot: first) }
        for index in streams.indices {
            let output = streams[index].receive(
                DeltaRequest(
                    node: ProxyNode(id: "p\(index)"), typeURL: ResourceType.cluster.typeURL,
                    initialVersions: Dictionary(uniqueKeysWithValues: clusters.map { ($0.name, $0.version) })))
            #expect(output.responses.isEmpty)
        }
        let second = try Snapshot(clusters.dropLast() + [cluster("c199", "2")], after: first)
        for index in streams.indices {
            let output = streams[index].publish(second)
            #expect(output.responses.first?.resources.first === second.table(.cluster)["c199"])
            #expect(streams[index].feeds.reduce(0) { $0 + $1.differences.count } == 1)
            #expect(streams[index].feeds[0].table === second.table(.cluster))
        }
    }
}
