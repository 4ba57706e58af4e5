internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("Make before break")
struct OrderTests {
    /// What an Envoy has that has all of `resources`.
    private func proxy(_ variant: DiscoveryStream.Variant, _ resources: [Resource]) throws -> StreamDriver {
        var driver = try StreamDriver(variant, resources)
        func ask(_ type: ResourceType, _ names: [String]) throws {
            let lines = variant == .delta ? driver.change(type, subscribe: names) : driver.want(type, names)
            if !lines.isEmpty { #expect(try driver.acknowledge(type) == []) }
        }
        try ask(.cluster, [])
        try ask(.endpoints, resources.filter { $0.type == .endpoints }.map(\.name))
        try ask(.listener, [])
        try ask(.routes, resources.filter { $0.type == .routes }.map(\.name))
        #expect(
            driver.stream.feeds.allSatisfy { $0.differences.isEmpty && $0.outstanding == nil && $0.warming.isEmpty })
        return driver
    }

    private let before = [
        cluster("old", endpoints: "old"), endpoints("old"), listener("l", routes: ["r"]), route("r", to: ["old"]),
    ]
    private let after = [
        cluster("new", endpoints: "new"), endpoints("new"), listener("l", routes: ["r"]), route("r", "2", to: ["new"]),
    ]

    @Test("State of the world: cluster, its endpoints, the route, and only then the old cluster goes")
    func stateOfTheWorld() throws {
        var driver = try proxy(.stateOfTheWorld, before)
        #expect(try driver.publish(after) == ["Cluster +new:1 +old:1"])
        #expect(driver.stream.status(.routes).withheld == ["r"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(driver.want(.endpoints, ["new", "old"]) == ["ClusterLoadAssignment +new:1"])
        #expect(try driver.acknowledge(.endpoints) == ["RouteConfiguration +r:2"])
        #expect(driver.stream.status(.routes).withheld == [])
        #expect(try driver.acknowledge(.routes) == ["Cluster +new:1"])
        #expect(try driver.acknowledge(.cluster) == [])
    }

    @Test("Incremental: the same, and the old endpoints after the old cluster")
    func delta() throws {
        var driver = try proxy(.delta, before)
        #expect(try driver.publish(after) == ["Cluster +new:1"])
        #expect(driver.change(.endpoints, subscribe: ["new"]) == ["ClusterLoadAssignment +new:1"])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(try driver.acknowledge(.cluster) == ["RouteConfiguration +r:2"])
        #expect(try driver.acknowledge(.routes) == ["Cluster -old"])
        #expect(try driver.acknowledge(.cluster) == ["ClusterLoadAssignment -old"])
        #expect(try driver.acknowledge(.endpoints) == [])
    }

    @Test("While the client refuses the route, it keeps the cluster that it still uses")
    func refusedRoute() throws {
        var driver = try proxy(.delta, before)
        _ = try driver.publish(after)
        _ = driver.change(.endpoints, subscribe: ["new"])
        _ = try driver.acknowledge(.endpoints)
        _ = try driver.acknowledge(.cluster)
        #expect(try driver.refuse(.routes) == [])
        #expect(try driver.publish(after + [endpoints("unrelated")]) == [])
        let fixed = after.filter { $0.type != .routes } + [route("r", "3", to: ["new"])]
        #expect(try driver.publish(fixed) == ["RouteConfiguration +r:3"])
        #expect(try driver.acknowledge(.routes) == ["Cluster -old"])
    }

    @Test("While the client refuses the cluster, the route that names it waits, and others do not")
    func refusedCluster() throws {
        var driver = try proxy(.delta, before + [route("other", to: ["old"])])
        let other = route("other", "2", to: ["old"])
        let kept = before.filter { $0.type != .routes } + [other, route("r", "2", to: ["old", "new"])]
        #expect(
            try driver.publish(kept + [cluster("new", "bad")]) == ["Cluster +new:bad", "RouteConfiguration +other:2"])
        #expect(try driver.refuse(.cluster) == [])
        #expect(try driver.acknowledge(.routes) == [])
        #expect(driver.stream.status(.routes).withheld == ["r"])
        #expect(try driver.publish(kept + [cluster("new", "2")]) == ["Cluster +new:2"])
        #expect(try driver.acknowledge(.cluster) == ["RouteConfiguration +r:2"])
    }

    @Test(
        "After a changed cluster its endpoints come again, unchanged as they are; after an unchanged one they do not",
        arguments: [DiscoveryStream.Variant.stateOfTheWorld, .delta])
    func warming(_ variant: DiscoveryStream.Variant) throws {
        let same = [cluster("b", endpoints: "b"), endpoints("a"), endpoints("b")]
        var driver = try proxy(variant, same + [cluster("a", endpoints: "a")])
        let lines = try driver.publish(same + [cluster("a", "2", endpoints: "a")])
        #expect(lines == [variant == .delta ? "Cluster +a:2" : "Cluster +a:2 +b:1", "ClusterLoadAssignment +a:1"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(driver.stream.feeds.allSatisfy { $0.warming.isEmpty })
    }

    @Test("Endpoints that were under way before the cluster do not warm it")
    func endpointsTooEarly() throws {
        var driver = try proxy(.delta, [endpoints("a")])
        #expect(try driver.publish([endpoints("a", "2")]) == ["ClusterLoadAssignment +a:2"])
        let all = [endpoints("a", "2"), cluster("a", endpoints: "a"), listener("l", clusters: ["a"])]
        #expect(try driver.publish(all) == ["Cluster +a:1"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.acknowledge(.endpoints) == ["ClusterLoadAssignment +a:2"])
        #expect(try driver.acknowledge(.endpoints) == ["Listener +l:1"])
    }

    @Test("What a listener used stays until the routes of its new version are there")
    func listenerWarming() throws {
        var driver = try proxy(.delta, before)
        let next = [
            cluster("new", endpoints: "new"), endpoints("new"), listener("l", "2", routes: ["r2"]),
            route("r2", to: ["new"]),
        ]
        #expect(try driver.publish(next) == ["Cluster +new:1", "Listener +l:2"])
        #expect(try driver.acknowledge(.listener) == [])
        #expect(driver.change(.routes, subscribe: ["r2"]) == [])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(driver.change(.endpoints, subscribe: ["new"]) == ["ClusterLoadAssignment +new:1"])
        #expect(try driver.acknowledge(.endpoints) == ["RouteConfiguration +r2:1"])
        // The old route first, then the cluster that only it named, then the endpoints.
        #expect(try driver.acknowledge(.routes) == ["RouteConfiguration -r"])
        #expect(try driver.acknowledge(.routes) == ["Cluster -old"])
        #expect(try driver.acknowledge(.cluster) == ["ClusterLoadAssignment -old"])
    }

    @Test(
        "State of the world: a route that nothing tells the end of holds its cluster as long as its listener is there")
    func impliedRemoval() throws {
        var driver = try proxy(.stateOfTheWorld, before)
        #expect(try driver.publish([]) == ["Listener"])
        #expect(try driver.acknowledge(.listener) == ["Cluster"])
    }

    @Test("A resource that may refer to any cluster holds all of them")
    func anyCluster() throws {
        let any = Resource(.listener, "l", version: "1", body: [], references: [.any(.cluster)])
        var driver = try proxy(.delta, [cluster("a"), any])
        #expect(try driver.publish([listener("l", "2")]) == ["Listener +l:2"])
        #expect(try driver.acknowledge(.listener) == ["Cluster -a"])
    }

    @Test("A client that asks for clusters by name gets routes first: it learns the names from them")
    func byName() throws {
        var driver = try StreamDriver(.stateOfTheWorld, before)
        #expect(driver.want(.listener, ["l"]) == ["Listener +l:1"])
        #expect(driver.want(.routes, ["r"]) == ["RouteConfiguration +r:1"])
        #expect(driver.want(.cluster, ["old"]) == ["Cluster +old:1"])
        #expect(driver.want(.endpoints, ["old"]) == ["ClusterLoadAssignment +old:1"])
        for type in [ResourceType.listener, .routes, .cluster, .endpoints] {
            #expect(try driver.acknowledge(type) == [])
        }
        #expect(try driver.publish(after) == ["RouteConfiguration +r:2"])
        #expect(try driver.acknowledge(.routes) == ["Cluster"])
    }

    @Test("A cluster that is on its way out is not there for a route")
    func onItsWayOut() throws {
        var driver = try proxy(
            .delta, [cluster("a"), listener("l", routes: ["r"]), cluster("b"), route("r", to: ["b"])])
        let without = [listener("l", routes: ["r"]), cluster("b"), route("r", to: ["b"])]
        #expect(try driver.publish(without) == ["Cluster -a"])
        let again = [cluster("a"), listener("l", routes: ["r"]), cluster("b"), route("r", "2", to: ["a"])]
        #expect(try driver.publish(again) == [])
        #expect(try driver.acknowledge(.cluster) == ["Cluster +a:1"])
        #expect(try driver.acknowledge(.cluster) == ["RouteConfiguration +r:2"])
    }

    @Test("State of the world: a client that comes back with a version of before is led on from there")
    func reconnect() throws {
        let old = try Snapshot(before)
        var driver = try StreamDriver(.stateOfTheWorld, after, after: old)
        #expect(driver.want(.cluster, version: old.table(.cluster).version) == ["Cluster +new:1 +old:1"])
        #expect(driver.want(.endpoints, ["old"], version: "e") == [])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(driver.want(.endpoints, ["old", "new"]) == ["ClusterLoadAssignment +new:1"])
        #expect(driver.want(.listener, version: old.table(.listener).version) == [])
        #expect(driver.want(.routes, ["r"], version: "r") == [])
        #expect(try driver.acknowledge(.endpoints) == ["RouteConfiguration +r:2"])
        #expect(try driver.acknowledge(.routes) == ["Cluster +new:1"])
    }
}
