internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("Incremental streams")
struct DeltaTests {
    @Test("Only changes and removals come")
    func changes() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b")])
        #expect(driver.change(.cluster) == ["Cluster +a:1 +b:1"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("a", "2"), cluster("c")]) == ["Cluster +a:2 +c:1 -b"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("a", "2"), cluster("c")]) == [])
    }

    @Test("All of nothing is answered, so that the client need not wait")
    func nothing() throws {
        var driver = try StreamDriver(.delta)
        #expect(driver.change(.cluster) == ["Cluster"])
        #expect(driver.change(.listener, subscribe: ["*"]) == ["Listener"])
    }

    @Test("What is asked for and not there is removed at once, and sent once it is there")
    func missing() throws {
        var driver = try StreamDriver(.delta, [endpoints("a")])
        #expect(driver.change(.endpoints, subscribe: ["a", "late"]) == ["ClusterLoadAssignment +a:1 -late"])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(try driver.publish([endpoints("a"), endpoints("late")]) == ["ClusterLoadAssignment +late:1"])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(try driver.publish([endpoints("a")]) == ["ClusterLoadAssignment -late"])
    }

    @Test("To subscribe again is always answered, unchanged or not there")
    func again() throws {
        var driver = try StreamDriver(.delta, [endpoints("a")])
        _ = driver.change(.endpoints, subscribe: ["a", "gone"])
        _ = try driver.acknowledge(.endpoints)
        #expect(driver.change(.endpoints, subscribe: ["a"]) == ["ClusterLoadAssignment +a:1"])
        #expect(driver.change(.endpoints, subscribe: ["gone"]) == [])
        #expect(try driver.acknowledge(.endpoints) == ["ClusterLoadAssignment -gone"])
        _ = try driver.acknowledge(.endpoints)
        #expect(driver.change(.endpoints, subscribe: ["a"], unsubscribe: ["a"]) == ["ClusterLoadAssignment +a:1"])
    }

    @Test("`*` asked for again is all of it")
    func wildcardAgain() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b")])
        _ = driver.change(.cluster, subscribe: ["*"])
        _ = try driver.acknowledge(.cluster)
        #expect(driver.change(.cluster, subscribe: ["*"]) == ["Cluster +a:1 +b:1"])
    }

    @Test("A name left that `*` still covers is answered: it is there, or it is not")
    func leftButCovered() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b")])
        _ = driver.change(.cluster, subscribe: ["*", "a", "gone"])
        _ = try driver.acknowledge(.cluster)
        #expect(driver.change(.cluster, unsubscribe: ["a", "gone"]) == ["Cluster +a:1 -gone"])
        _ = try driver.acknowledge(.cluster)
        #expect(try driver.publish([cluster("a", "2"), cluster("b")]) == ["Cluster +a:2"])
    }

    @Test("Names and `*` may be left one after the other; what nothing covers is not sent")
    func leaving() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b")])
        _ = driver.change(.cluster, subscribe: ["*", "a"])
        _ = try driver.acknowledge(.cluster)
        #expect(driver.change(.cluster, unsubscribe: ["*"]) == [])
        #expect(try driver.publish([cluster("a", "2"), cluster("b", "2")]) == ["Cluster +a:2"])
        _ = try driver.acknowledge(.cluster)
        #expect(driver.change(.cluster, unsubscribe: ["a"]) == [])
        #expect(try driver.publish([cluster("a", "3"), cluster("b", "3")]) == [])
        #expect(driver.change(.cluster, subscribe: ["b"]) == ["Cluster +b:3"])
    }

    @Test("A stale nonce answers nothing, but what comes with it counts")
    func staleNonce() throws {
        var driver = try StreamDriver(.delta, [endpoints("a"), endpoints("b")])
        _ = driver.change(.endpoints, subscribe: ["a"])
        let old = try #require(driver.newest[.endpoints]).nonce
        _ = try driver.acknowledge(.endpoints)
        _ = try driver.publish([endpoints("a", "2"), endpoints("b")])
        #expect(driver.change(.endpoints, subscribe: ["b"], nonce: old) == [])
        #expect(driver.events.last == .staleNonce(.endpoints, old))
        #expect(try driver.acknowledge(.endpoints) == ["ClusterLoadAssignment +b:1"])
    }

    @Test("A client that comes back is sent what it has not got, and told what is gone")
    func reconnect() throws {
        var driver = try StreamDriver(.delta, [cluster("same"), cluster("new"), cluster("changed", "2")])
        #expect(
            driver.change(.cluster, known: ["same": "1", "changed": "1", "gone": "1"])
                == ["Cluster +changed:2 +new:1"])
        _ = try driver.acknowledge(.cluster)
        // Routes that it has from before may name it: they are asked for first.
        #expect(driver.change(.listener, known: [:]) == ["Listener"])
        #expect(driver.change(.routes, subscribe: ["r"], known: [:]) == ["Cluster -gone", "RouteConfiguration -r"])
    }

    @Test("A client that comes back and has everything is sent nothing; one that has other names is sent those")
    func reconnectByName() throws {
        var driver = try StreamDriver(.delta, [endpoints("a"), endpoints("b")])
        #expect(driver.change(.endpoints, subscribe: ["a", "b"], known: ["a": "1", "b": "1"]) == [])
        driver = try StreamDriver(.delta, [endpoints("a"), endpoints("b")])
        #expect(
            driver.change(.endpoints, subscribe: ["a", "b", "gone"], known: ["a": "1", "gone": "7"])
                == ["ClusterLoadAssignment +b:1"])
        #expect(driver.resumed() == [])
        #expect(try driver.acknowledge(.endpoints) == ["ClusterLoadAssignment -gone"])
    }

    @Test("What a client that came back has is kept until it had the time to ask for all types")
    func resumed() throws {
        var driver = try StreamDriver(.delta, [])
        #expect(driver.change(.cluster, known: ["old": "1"]) == [])
        #expect(driver.resumed() == ["Cluster -old"])
    }

    @Test("Versions that a client tells later than in its first request say nothing")
    func lateVersions() throws {
        var driver = try StreamDriver(.delta, [endpoints("a")])
        _ = driver.change(.endpoints)
        #expect(driver.change(.endpoints, subscribe: ["a"], known: ["a": "1"]) == ["ClusterLoadAssignment +a:1"])
    }
}
