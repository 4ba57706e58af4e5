internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("Refused responses, and requests that are none")
struct RefusalTests {
    private static let both: [DiscoveryStream.Variant] = [.stateOfTheWorld, .delta]

    private func open(_ driver: inout StreamDriver, _ type: ResourceType) -> [String] {
        driver.stream.variant == .delta ? driver.change(type) : driver.want(type)
    }

    @Test("What was refused is not sent again before it changes", arguments: both)
    func notAgain(_ variant: DiscoveryStream.Variant) throws {
        var driver = try StreamDriver(variant, [cluster("a")])
        _ = open(&driver, .cluster)
        _ = try driver.acknowledge(.cluster)
        #expect(try driver.publish([cluster("a", "bad")]) == ["Cluster +a:bad"])
        #expect(try driver.refuse(.cluster) == [])
        #expect(try driver.publish([cluster("a", "bad"), endpoints("unrelated")]) == [])
        #expect(try driver.publish([cluster("a", "3")]) == ["Cluster +a:3"])
    }

    @Test("Back to what the client has is nothing to send", arguments: both)
    func back(_ variant: DiscoveryStream.Variant) throws {
        var driver = try StreamDriver(variant, [cluster("a")])
        _ = open(&driver, .cluster)
        _ = try driver.acknowledge(.cluster)
        _ = try driver.publish([cluster("a", "bad")])
        _ = try driver.refuse(.cluster)
        #expect(try driver.publish([cluster("a")]) == [])
    }

    @Test("The one that the refusal names waits; the others go out without it")
    func blamed() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b", "bad"), cluster("c")])
        #expect(driver.change(.cluster) == ["Cluster +a:1 +b:bad +c:1"])
        #expect(try driver.refuse(.cluster, "Error adding cluster(s) b: connect_timeout is 0") == ["Cluster +a:1 +c:1"])
        #expect(try driver.acknowledge(.cluster) == [])
        // It is still refused, and for that reason.
        #expect(
            driver.stream.isRefused
                && driver.stream.status(.cluster).refusal?.message.contains("connect_timeout") == true)
        #expect(try driver.publish([cluster("a", "2"), cluster("b", "bad"), cluster("c")]) == ["Cluster +a:2"])
        #expect(try driver.acknowledge(.cluster) == [])
        #expect(try driver.publish([cluster("a", "2"), cluster("b", "3"), cluster("c")]) == ["Cluster +b:3"])
        #expect(try driver.acknowledge(.cluster) == [] && !driver.stream.isRefused)
    }

    @Test("The one that the refusal names is in a full response as the client has it")
    func blamedFullState() throws {
        var driver = try StreamDriver(.stateOfTheWorld, [cluster("a"), cluster("b")])
        _ = driver.want(.cluster)
        _ = try driver.acknowledge(.cluster)
        #expect(try driver.publish([cluster("a", "2"), cluster("b", "bad")]) == ["Cluster +a:2 +b:bad"])
        let refused = try #require(driver.newest[.cluster])
        #expect(try driver.refuse(.cluster, "cluster 'b': bad") == ["Cluster +a:2 +b:1"])
        #expect(driver.newest[.cluster]?.version != refused.version)
        #expect(try driver.acknowledge(.cluster) == [])
    }

    @Test("When the refusal names none, all of it is tried again with the next change")
    func namesNone() throws {
        var driver = try StreamDriver(.delta, [cluster("a"), cluster("b", "bad")])
        _ = driver.change(.cluster)
        #expect(try driver.refuse(.cluster, "something is bad") == [])
        #expect(try driver.publish([cluster("a"), cluster("b", "2")]) == ["Cluster +a:1 +b:2"])
    }

    @Test("A name is no part of a longer one")
    func words() throws {
        var driver = try StreamDriver(.delta, [cluster("shop"), cluster("shop-2", "bad"), cluster("a")])
        _ = driver.change(.cluster)
        #expect(try driver.refuse(.cluster, "shop-2: bad") == ["Cluster +a:1 +shop:1"])
    }

    @Test("What came with a refused one may be there: it is sent until it is accepted, and what it may need stays")
    func uncertain() throws {
        let before = [cluster("old"), cluster("x", "1"), listener("l", clusters: ["old"])]
        var driver = try StreamDriver(.delta, before)
        _ = driver.change(.cluster)
        _ = try driver.acknowledge(.cluster)
        _ = driver.change(.listener)
        _ = try driver.acknowledge(.listener)
        // A removal is refused together with something else: the client may have carried it out.
        #expect(
            try driver.publish([cluster("old"), cluster("y", "bad"), listener("l", clusters: ["old"])])
                == ["Cluster +y:bad -x"])
        _ = try driver.refuse(.cluster)
        #expect(
            try driver.publish([cluster("old"), cluster("x", "1"), listener("l", clusters: ["old"])])
                == ["Cluster +x:1 -y"])
        _ = try driver.acknowledge(.cluster)
        #expect(driver.stream.feeds.allSatisfy { $0.differences.isEmpty })
    }

    @Test("The first request must say who asks; later ones need not", arguments: both)
    func node(_ variant: DiscoveryStream.Variant) throws {
        let url = ResourceType.cluster.typeURL
        for node in [nil, ProxyNode(id: "")] {
            var stream = DiscoveryStream(variant, snapshot: try Snapshot([cluster("a")]))
            let output =
                variant == .delta
                ? stream.receive(DeltaRequest(node: node, typeURL: url))
                : stream.receive(DiscoveryRequest(node: node, typeURL: url))
            #expect(output.events == [.violation(.missingNode)])
            #expect(output.responses.isEmpty)
            #expect(stream.publish(try Snapshot([cluster("b")])).responses.isEmpty)
        }
        var driver = try StreamDriver(variant, [cluster("a"), listener("l")])
        #expect(open(&driver, .cluster) == ["Cluster +a:1"])
        #expect(open(&driver, .listener) == ["Listener +l:1"])
        #expect(driver.stream.node == ProxyNode(id: "p1"))
    }

    @Test("A type that is not known is reported and ignored", arguments: both)
    func unknownType(_ variant: DiscoveryStream.Variant) throws {
        var stream = DiscoveryStream(variant, snapshot: try Snapshot([cluster("a")]))
        let (node, url) = (ProxyNode(id: "p"), "type.googleapis.com/envoy.Something")
        let output =
            variant == .delta
            ? stream.receive(DeltaRequest(node: node, typeURL: url))
            : stream.receive(DiscoveryRequest(node: node, typeURL: url))
        #expect(output.events == [.unknownType(url)])
    }

    @Test("A client that asks again and again and answers nothing is not remembered without bound")
    func askedWithoutBound() throws {
        var stream = DiscoveryStream(.delta, snapshot: try Snapshot([cluster("a")]), nameLimit: 10)
        let url = ResourceType.cluster.typeURL
        #expect(stream.receive(DeltaRequest(node: ProxyNode(id: "p"), typeURL: url)).responses.count == 1)
        var events: [StreamEvent] = []
        for round in 0..<4 where events.isEmpty {
            let names = (0..<5).map { "gone-\(round)-\($0)" }
            events = stream.receive(DeltaRequest(typeURL: url, unsubscribe: names)).events
        }
        #expect(events == [.violation(.tooManyNames(.cluster, limit: 10))])
    }

    @Test("More names than allowed end the stream", arguments: both)
    func tooManyNames(_ variant: DiscoveryStream.Variant) throws {
        var stream = DiscoveryStream(variant, snapshot: Snapshot(), nameLimit: 3)
        let (node, url) = (ProxyNode(id: "p"), ResourceType.endpoints.typeURL)
        let names = ["a", "b", "c", "d"]
        if variant == .delta {
            #expect(stream.receive(DeltaRequest(node: node, typeURL: url, subscribe: ["a", "b"])).events.isEmpty)
            let output = stream.receive(DeltaRequest(typeURL: url, subscribe: ["b", "c", "d"]))
            #expect(output.events == [.violation(.tooManyNames(.endpoints, limit: 3))])
        } else {
            let output = stream.receive(DiscoveryRequest(node: node, typeURL: url, names: names))
            #expect(output.events == [.violation(.tooManyNames(.endpoints, limit: 3))])
        }
    }
}
