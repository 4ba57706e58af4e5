internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("State-of-the-world streams")
struct StateOfTheWorldTests {
    @Test("Listeners and clusters come in full, also when there are none; what is not in a response is gone")
    func fullState() throws {
        var driver = try StreamDriver(.stateOfTheWorld)
        #expect(driver.want(.cluster) == ["Cluster"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("a"), cluster("b")]) == ["Cluster +a:1 +b:1"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("a"), cluster("b", "2")]) == ["Cluster +a:1 +b:2"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("b", "2")]) == ["Cluster +b:2"])
    }

    @Test("Of other types only what changed comes, and nothing of what nobody asked for")
    func partial() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [endpoints("a"), endpoints("b"), endpoints("c")])
        #expect(driver.want(.endpoints, ["a", "b"]) == ["ClusterLoadAssignment +a:1 +b:1"])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(
            try driver.publish([endpoints("a"), endpoints("b", "2"), endpoints("c", "2")])
                == ["ClusterLoadAssignment +b:2"])
        #expect(try driver.acknowledge(.endpoints) == [])
        #expect(try driver.publish([endpoints("a"), endpoints("b", "2"), endpoints("c", "3")]) == [])
        #expect(driver.want(.endpoints, ["a", "b", "c"]) == ["ClusterLoadAssignment +c:3"])
    }

    @Test("A subscription to what is not there is kept: it is sent once it is there")
    func appearsLater() throws {
        var driver = try StreamDriver(.stateOfTheWorld)
        #expect(driver.want(.endpoints, ["late"]) == [])
        #expect(try driver.publish([endpoints("late")]) == ["ClusterLoadAssignment +late:1"])
        #expect(try driver.acknowledge(.endpoints) == [])
        // Its end is not told; it comes again when it is back.
        #expect(try driver.publish([]) == [])
        #expect(try driver.publish([endpoints("late")]) == ["ClusterLoadAssignment +late:1"])
    }

    @Test("Of a listener or cluster that is asked for by name and is not there, a response tells by its absence")
    func absentByName() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [listener("here")])
        #expect(driver.want(.listener, ["gone"]) == ["Listener"])
        #expect(try driver.acknowledge(.listener) == [])
        #expect(driver.want(.listener, ["gone", "here"]) == ["Listener +here:1"])
        #expect(try driver.acknowledge(.listener) == [])
        #expect(driver.want(.listener, []) == [])
        #expect(try driver.publish([listener("here", "2")]) == [])
    }

    @Test("A request with a nonce that is not the newest is ignored, names and all")
    func staleNonce() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [endpoints("a"), endpoints("b")])
        _ = driver.want(.endpoints, ["a"])
        let old = try #require(driver.newest[.endpoints]).nonce
        _ = try driver.acknowledge(.endpoints)
        _ = try driver.publish([endpoints("a", "2"), endpoints("b")])
        #expect(driver.want(.endpoints, ["a", "b"], nonce: old) == [])
        #expect(driver.want(.endpoints, ["a", "b"], nonce: "") == [])
        #expect(driver.events.suffix(2) == [.staleNonce(.endpoints, old), .staleNonce(.endpoints, "")])
        // The answer to the newest has the names again.
        #expect(driver.want(.endpoints, ["a", "b"]) == ["ClusterLoadAssignment +b:1"])
    }

    @Test("While a response is not answered, changes wait; then the newest of each comes, once")
    func oneAtATime() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [cluster("a")])
        #expect(driver.want(.cluster) == ["Cluster +a:1"])
        #expect(try driver.publish([cluster("a", "2")]) == [])
        #expect(try driver.publish([cluster("a", "3")]) == [])
        #expect(try driver.acknowledge(.cluster) == ["Cluster +a:3"])
        #expect(try driver.publish([cluster("a", "4")]) == [])
        #expect(try driver.publish([cluster("a", "3")]) == [])
        #expect(try driver.acknowledge(.cluster) == [])
    }

    @Test("Acceptance and refusal are told by the error, whatever the version says; both are reported")
    func answers() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [cluster("a")])
        _ = driver.want(.cluster)
        let first = try #require(driver.newest[.cluster])
        // A refusal that names the version it refuses is one.
        let request = DiscoveryRequest(
            typeURL: ResourceType.cluster.typeURL, version: first.version, nonce: first.nonce,
            error: ErrorDetail(message: "no"))
        #expect(
            driver.stream.receive(request).events == [
                .refused(.cluster, version: first.version, ErrorDetail(message: "no"))
            ])
        #expect(driver.stream.status(.cluster).acknowledgedVersion == nil)
        #expect(driver.stream.status(.cluster).refusal == ErrorDetail(message: "no"))
        _ = try driver.publish([cluster("a", "2")])
        let second = try #require(driver.newest[.cluster])
        // And an acceptance that names another version is one.
        let acceptance = DiscoveryRequest(typeURL: ResourceType.cluster.typeURL, version: "odd", nonce: second.nonce)
        #expect(driver.stream.receive(acceptance).events == [.acknowledged(.cluster, version: second.version)])
        #expect(driver.stream.status(.cluster).acknowledgedVersion == second.version)
        #expect(driver.stream.status(.cluster).refusal == nil)
    }

    @Test("A version names content: it is the same on another stream and after the same content comes back")
    func versions() throws {
        var one = try StreamDriver(.stateOfTheWorld, [cluster("a"), cluster("b")])
        var other = try StreamDriver(.stateOfTheWorld, [cluster("b"), cluster("a")])
        _ = one.want(.cluster)
        _ = other.want(.cluster)
        let first = try #require(one.newest[.cluster])
        #expect(first.version == other.newest[.cluster]?.version)
        _ = try one.acknowledge(.cluster)
        _ = try one.publish([cluster("a")])
        #expect(one.newest[.cluster]?.version != first.version)
        _ = try one.acknowledge(.cluster)
        _ = try one.publish([cluster("a"), cluster("b")])
        #expect(one.newest[.cluster]?.version == first.version)
        #expect(one.newest[.cluster]?.nonce != first.nonce)
    }

    @Test("A client that comes back with the version in force is not sent it again; with another one, it is")
    func reconnect() throws {
        let before = try Snapshot([cluster("a"), cluster("b")])
        let version = before.table(.cluster).version
        var driver = try StreamDriver(.stateOfTheWorld, [cluster("a"), cluster("b")], after: before)
        #expect(driver.want(.cluster, version: version, nonce: "of the other stream") == [])
        #expect(try driver.publish([cluster("a"), cluster("b"), cluster("c")]) == ["Cluster +a:1 +b:1 +c:1"])

        driver = try StreamDriver(.stateOfTheWorld, [cluster("a")], after: before)
        #expect(driver.want(.cluster, version: "of another server") == ["Cluster +a:1"])
    }

    @Test("Names may have changed meanwhile: what is asked for by name is sent to a client that comes back")
    func reconnectByName() throws {
        let resources = [endpoints("a"), endpoints("b")]
        let before = try Snapshot(resources)
        var driver = try StreamDriver(.stateOfTheWorld, resources, after: before)
        let version = before.table(.endpoints).version
        #expect(driver.want(.endpoints, ["a", "b"], version: version) == ["ClusterLoadAssignment +a:1 +b:1"])
    }

    @Test("A name given up and taken up again is sent again")
    func takenUpAgain() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [endpoints("a")])
        _ = driver.want(.endpoints, ["a"])
        _ = try driver.acknowledge(.endpoints)
        #expect(driver.want(.endpoints, []) == [])
        #expect(driver.want(.endpoints, ["a"]) == ["ClusterLoadAssignment +a:1"])
    }
}
