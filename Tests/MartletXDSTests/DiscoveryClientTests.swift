internal import Foundation
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

private typealias Request = Envoy_Service_Discovery_V3_DiscoveryRequest
private typealias Response = Envoy_Service_Discovery_V3_DiscoveryResponse
private typealias DeltaRequest = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
private typealias DeltaResponse = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse

/// The rules of xDS from a client's side.
@Suite struct DiscoveryClientTests {
    private let node = DiscoveryNode(id: "edge-1", cluster: "edge", version: "1")

    private static func cluster(_ name: String) throws -> Google_Protobuf_Any {
        try Google_Protobuf_Any(message: Envoy_Config_Cluster_V3_Cluster.with { $0.name = name })
    }

    private static func held(_ names: String..., version: String = "1") throws -> [String: HeldResource] {
        var held: [String: HeldResource] = [:]
        for name in names { held[name] = HeldResource(version: version, resource: try cluster(name)) }
        return held
    }

    private func response(
        _ names: [String], version: String = "1", nonce: String = "n", type: ResourceType = .cluster
    ) throws -> [UInt8] {
        try Response.with {
            $0.typeURL = type.typeURL
            $0.versionInfo = version
            $0.nonce = nonce
            for name in names { $0.resources.append(try Self.cluster(name)) }
        }.serializedBytes()
    }

    private func request(_ bytes: [UInt8]?) throws -> Request { try Request(serializedBytes: try #require(bytes)) }
    private func delta(_ bytes: [UInt8]?) throws -> DeltaRequest {
        try DeltaRequest(serializedBytes: try #require(bytes))
    }
    private func offer(_ offer: DiscoveryOffer?) throws -> DiscoveryOffer { try #require(offer) }

    // MARK: State of the world

    @Test func aStreamBeginsWithEverythingThatIsNotNamedAndWhoAsks() throws {
        var client = DiscoveryClient(.stateOfTheWorld, node)
        let first = try client.open(held: [:]).map { try Request(serializedBytes: $0) }
        #expect(first.map(\.typeURL) == [ResourceType.cluster, .listener].map(\.typeURL))
        #expect(first.map(\.hasNode) == [true, false])
        #expect(first.allSatisfy { $0.resourceNames.isEmpty && $0.versionInfo.isEmpty && $0.responseNonce.isEmpty })
        #expect(first[0].node.id == "edge-1" && first[0].node.userAgentName == "martlet")
    }

    @Test func anAcknowledgementHasTheVersionAndARefusalTheOneBefore() throws {
        var client = DiscoveryClient(.stateOfTheWorld, node)
        _ = client.open(held: [:])
        let offer = try self.offer(client.received(response(["a"], version: "5", nonce: "x")))
        #expect(offer.isWhole && Array(offer.changed.keys) == ["a"])
        let yes = try request(client.answer(offer, refusedFor: nil))
        #expect(yes.versionInfo == "5" && yes.responseNonce == "x" && !yes.hasErrorDetail && !yes.hasNode)
        let next = try self.offer(client.received(response(["b"], version: "6", nonce: "y")))
        let no = try request(client.answer(next, refusedFor: "b: no"))
        #expect(no.versionInfo == "5" && no.responseNonce == "y")
        #expect(no.errorDetail.message == "b: no" && no.errorDetail.code == 3)
        // On the next stream the server hears what is held, without a nonce.
        let again = try client.open(held: [:]).map { try Request(serializedBytes: $0) }
        #expect(again[0].versionInfo == "5" && again[0].responseNonce.isEmpty && again[0].hasNode)
    }

    @Test func namesAreAskedForAsAWhole() throws {
        var client = DiscoveryClient(.stateOfTheWorld, node)
        _ = client.open(held: [:])
        let none = client.subscribe(.endpoints, to: [], held: [:])
        #expect(none == nil)
        let two = try request(client.subscribe(.endpoints, to: ["b", "a"], held: [:]))
        #expect(two.resourceNames == ["a", "b"])
        let same = client.subscribe(.endpoints, to: ["a", "b"], held: [:])
        #expect(same == nil)
        let offer = try self.offer(
            client.received(response([], version: "2", nonce: "z", type: .endpoints)))
        #expect(!offer.isWhole)
        let one = try request(client.subscribe(.endpoints, to: ["a"], held: [:]))
        // A change of names between two responses goes with the newest nonce and the version that is held.
        #expect(one.resourceNames == ["a"] && one.responseNonce == "z" && one.versionInfo.isEmpty)
        let answer = try request(client.answer(offer, refusedFor: nil))
        #expect(answer.resourceNames == ["a"] && answer.versionInfo == "2")
    }

    // MARK: Delta

    @Test func deltaTellsWhatIsHeld() throws {
        var client = DiscoveryClient(.delta, node)
        let first = try client.open(held: [.cluster: Self.held("a", "b", version: "7")]).map {
            try DeltaRequest(serializedBytes: $0)
        }
        #expect(first[0].initialResourceVersions == ["a": "7", "b": "7"])
        #expect(first.allSatisfy { $0.resourceNamesSubscribe.isEmpty })
    }

    @Test func deltaAsksForWhatIsNewAndLetsGoOfTheRest() throws {
        var client = DiscoveryClient(.delta, node)
        _ = client.open(held: [:])
        let first = try delta(client.subscribe(.endpoints, to: ["a", "b"], held: Self.held("a")))
        #expect(first.resourceNamesSubscribe == ["a", "b"] && first.initialResourceVersions == ["a": "1"])
        let next = try delta(client.subscribe(.endpoints, to: ["b", "c"], held: Self.held("b")))
        #expect(next.resourceNamesSubscribe == ["c"] && next.resourceNamesUnsubscribe == ["a"])
        #expect(next.initialResourceVersions.isEmpty)
        // Everything again on a new stream.
        let again = try client.open(held: [:]).map { try DeltaRequest(serializedBytes: $0) }
        #expect(again.first { $0.typeURL == ResourceType.endpoints.typeURL }?.resourceNamesSubscribe == ["b", "c"])
    }

    @Test func deltaAnswersByNonce() throws {
        var client = DiscoveryClient(.delta, node)
        _ = client.open(held: [:])
        let response = try DeltaResponse.with {
            $0.typeURL = ResourceType.cluster.typeURL
            $0.nonce = "q"
            $0.resources = [
                try .with {
                    $0.name = "a"
                    $0.version = "3"
                    $0.resource = try Self.cluster("a")
                }
            ]
            $0.removedResources = ["gone"]
        }
        let offer = try self.offer(client.received(response.serializedBytes()))
        #expect(offer.changed["a"]?.version == "3" && offer.removed == ["gone"] && !offer.isWhole)
        let yes = try delta(client.answer(offer, refusedFor: nil))
        #expect(yes.responseNonce == "q" && !yes.hasErrorDetail)
        let no = try delta(client.answer(offer, refusedFor: "no"))
        #expect(no.responseNonce == "q" && no.errorDetail.message == "no")
    }

    // MARK: What cannot be used

    @Test func faultsAreOfTheWholeResponse() throws {
        var client = DiscoveryClient(.stateOfTheWorld, node)
        _ = client.open(held: [:])
        let twice = try self.offer(client.received(response(["a", "a"])))
        #expect(twice.fault == #"envoy.config.cluster.v3.Cluster "a" twice in one response"#)
        let nameless = try self.offer(client.received(response([""])))
        #expect(nameless.fault == "a envoy.config.cluster.v3.Cluster without a name")
        let foreign = try Response.with {
            $0.typeURL = ResourceType.cluster.typeURL
            $0.resources = [try Google_Protobuf_Any(message: Envoy_Config_Listener_V3_Listener())]
        }
        let offer = try self.offer(client.received(foreign.serializedBytes()))
        #expect(offer.fault?.contains("envoy.config.listener.v3.Listener") == true)
        let broken = Response.with {
            $0.typeURL = ResourceType.cluster.typeURL
            $0.resources = [
                .with {
                    $0.typeURL = ResourceType.cluster.typeURL
                    $0.value = .init([0xFF])
                }
            ]
        }
        let unreadable = try self.offer(client.received(broken.serializedBytes()))
        #expect(unreadable.fault == #"envoy.config.cluster.v3.Cluster "" cannot be read"#)
    }

    @Test func whatNobodyAskedForIsPassedOver() throws {
        var client = DiscoveryClient(.stateOfTheWorld, node)
        _ = client.open(held: [:])
        let unasked = try client.received(response([], type: .routes))
        #expect(unasked == nil)
        let foreign = try client.received(
            try Response.with { $0.typeURL = "type.googleapis.com/x.Y" }.serializedBytes())
        #expect(foreign == nil)
        #expect(throws: DiscoveryClient.Unreadable.self) { try client.received([0xFF, 0xFF]) }
    }
}
