internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

/// What of a control plane's resources can be in force at a time.
@Suite struct ResourceCacheTests {
    private func offer(
        _ type: ResourceType, _ resources: [any Message], removed: Set<String> = [], isWhole: Bool = false
    ) throws -> DiscoveryOffer {
        var response = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse()
        response.typeURL = type.typeURL
        for resource in resources {
            response.resources.append(.with { $0.resource = (try? Google_Protobuf_Any(message: resource)) ?? .init() })
        }
        response.removedResources = Array(removed)
        guard isWhole else { return try read(response, .delta) }
        var whole = Envoy_Service_Discovery_V3_DiscoveryResponse()
        whole.typeURL = type.typeURL
        whole.resources = response.resources.map(\.resource)
        return try read(whole, .stateOfTheWorld)
    }

    private func read(_ message: some Message, _ method: DiscoveryClient.Method) throws -> DiscoveryOffer {
        var client = DiscoveryClient(method, DiscoveryNode(id: "n", cluster: "c", version: "1"))
        _ = client.open(held: [:])
        for type in ResourceType.allCases { _ = client.subscribe(type, to: ["x"], held: [:]) }
        let offer = try client.received(message.serializedBytes())
        return try #require(offer)
    }

    private func cluster(_ name: String, timeout: Int64 = 1) -> Envoy_Config_Cluster_V3_Cluster {
        .with {
            $0.name = name
            $0.type = .eds
            $0.connectTimeout = .with { $0.seconds = timeout }
            $0.edsClusterConfig.edsConfig.ads = .init()
        }
    }

    private func endpoints(_ name: String) -> Envoy_Config_Endpoint_V3_ClusterLoadAssignment {
        .with { $0.clusterName = name }
    }

    private func routes(_ name: String, to cluster: String) -> Envoy_Config_Route_V3_RouteConfiguration {
        .with { table in
            table.name = name
            table.virtualHosts = [
                .with { host in
                    host.name = "all"
                    host.domains = ["*"]
                    host.routes = [
                        .with {
                            $0.match.prefix = "/"
                            $0.route.cluster = cluster
                        }
                    ]
                }
            ]
        }
    }

    private func listener(_ name: String, routes: String) throws -> Envoy_Config_Listener_V3_Listener {
        let manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.with {
            $0.rds.routeConfigName = routes
            $0.rds.configSource.ads = .init()
        }
        let any = try Google_Protobuf_Any(message: manager)
        return .with {
            $0.name = name
            $0.filterChains = [.with { $0.filters = [.with { $0.typedConfig = any }] }]
        }
    }

    /// Names of what would be in force.
    private func names(_ resources: MeshResources) -> [String] {
        resources.clusters.map { "C " + $0.name } + resources.endpoints.map { "E " + $0.clusterName }
            + resources.listeners.map { "L " + $0.name } + resources.routes.map { "R " + $0.name }
    }

    @Test func aClusterWaitsForItsEndpoints() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.cluster, [cluster("a")]))
        #expect(names(cache.resources()).isEmpty && cache.isWarming)
        #expect(cache.mentioned(.endpoints) == ["a"])
        let warming = try #require(cache.warming())
        #expect(names(warming) == ["C a", "E a"])
        cache.apply(try offer(.endpoints, [endpoints("a")]))
        #expect(names(cache.resources()) == ["C a", "E a"] && !cache.isWarming && cache.warming() == nil)
    }

    @Test func aListenerServesOnUntilItsNextVersionHasItsRoutes() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "a")]))
        cache.apply(try offer(.cluster, [cluster("a")]))
        cache.apply(try offer(.endpoints, [endpoints("a")]))
        #expect(names(cache.resources()) == ["C a", "E a", "L l", "R one"])
        cache.apply(try offer(.listener, [try listener("l", routes: "two")]))
        #expect(names(cache.resources()) == ["C a", "E a", "L l", "R one"] && cache.isWarming)
        #expect(cache.mentioned(.routes) == ["one", "two"])
        cache.forgetUnmentioned()
        #expect(names(cache.resources()) == ["C a", "E a", "L l", "R one"])
        cache.apply(try offer(.routes, [routes("two", to: "a")]))
        #expect(names(cache.resources()) == ["C a", "E a", "L l", "R two"])
        cache.forgetUnmentioned()
        #expect(cache.held(.routes).keys.sorted() == ["two"])
    }

    @Test func whatDoesNotComeIsDoneWithoutInTheEnd() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.cluster, [cluster("a")]))
        #expect(names(cache.resources()).isEmpty)
        let isAny = cache.giveUp(cache.waiting)
        #expect(isAny && names(cache.resources()) == ["C a", "E a", "L l", "R one"] && !cache.isWarming)
        let isMore = cache.giveUp(cache.waiting)
        #expect(!isMore)
    }

    @Test func whoWaitsInVainTakesNobodyAlong() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.cluster, [cluster("never")]))
        _ = cache.giveUp(cache.waiting)
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "never")]))
        #expect(names(cache.resources()) == ["C never", "E never", "L l", "R one"])
        // What comes later waits again, and so does another version of what has waited in vain.
        cache.apply(try offer(.listener, [try listener("l", routes: "two")]))
        cache.apply(try offer(.cluster, [cluster("never", timeout: 2), cluster("new")]))
        #expect(cache.waiting.count == 3)
        let resources = cache.resources()
        #expect(names(resources) == ["C never", "E never", "L l", "R one"])
        #expect(resources.clusters[0].connectTimeout.seconds == 1)
    }

    @Test func aRouteToAClusterThatIsNotThereIsNoReasonToRefuseTheRest() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "missing")]))
        let resources = cache.resources()
        #expect(names(resources) == ["L l", "R one"] && resources.mentionedClusters == ["missing"])
        func clusters(_ process: String) throws -> [String] {
            let diagnostics = ConfigDiagnostics()
            let root = try #require(
                YAMLDocument.read(Array(process.utf8), file: "m.yaml", diagnostics: diagnostics))
            let document = resources.document(process: root, diagnostics: diagnostics)
            return (document["clusters"]?.items ?? []).compactMap { $0["name"]?.text }
        }
        #expect(try clusters("workers: 1") == ["missing"])
        // It may be one of the proxy's own.
        #expect(try clusters("clusters: [{ name: missing, endpoints: ['10.0.0.1:1'] }]") == ["missing"])
    }

    @Test func routesWaitForTheFilesOfTheirFilters() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "a")]))
        _ = cache.resources()
        var next = routes("one", to: "b")
        let filter = Martlet_Config_V1_Filter.with {
            $0.name = "jwt"
            $0.files = ["keys.json"]
        }
        next.virtualHosts[0].routes[0].typedPerFilterConfig["jwt"] = try Google_Protobuf_Any(message: filter)
        cache.apply(try offer(.routes, [next]))
        #expect(cache.mentioned(.secret) == ["keys.json"] && cache.isWarming)
        #expect(cache.resources().mentionedClusters == ["a"])
        // Without the file it never serves.
        let isAny = cache.giveUp(cache.waiting)
        #expect(!isAny && cache.resources().mentionedClusters == ["a"])
        let file = Envoy_Extensions_TransportSockets_Tls_V3_Secret.with {
            $0.name = "keys.json"
            $0.genericSecret.secret.inlineString = "{}"
        }
        cache.apply(try offer(.secret, [file]))
        let resources = cache.resources()
        #expect(resources.mentionedClusters == ["b"] && resources.secrets.map(\.name) == ["keys.json"])
        #expect(!cache.isWarming)
    }

    @Test func whatIsUsedStaysThoughItsServerHasItNoMore() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "a")]))
        cache.apply(try offer(.cluster, [cluster("a")]))
        cache.apply(try offer(.endpoints, [endpoints("a")]))
        let all = ["C a", "E a", "L l", "R one"]
        #expect(names(cache.resources()) == all)
        cache.apply(try offer(.endpoints, [], removed: ["a"]))
        cache.apply(try offer(.routes, [], removed: ["one"]))
        #expect(names(cache.resources()) == all && !cache.isWarming)
        cache.apply(try offer(.listener, [], removed: ["l"]))
        _ = cache.resources()
        cache.forgetUnmentioned()
        #expect(cache.held(.routes).isEmpty && cache.held(.endpoints).count == 1)
    }

    @Test func endpointsThatThereAreNoneOfAreNotWaitedFor() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.cluster, [cluster("a")]))
        cache.apply(try offer(.endpoints, [], removed: ["a"]))
        #expect(!cache.isWarming && names(cache.resources()) == ["C a", "E a"])
        #expect(cache.held(.endpoints).isEmpty)
        cache.forgetUnmentioned()
        #expect(!cache.isWarming)
        // Once nobody asks for them, that is forgotten as well.
        cache.apply(try offer(.cluster, [], removed: ["a"]))
        _ = cache.resources()
        cache.forgetUnmentioned()
        cache.apply(try offer(.cluster, [cluster("a")]))
        #expect(cache.isWarming)
        cache.apply(try offer(.endpoints, [endpoints("a")]))
        #expect(names(cache.resources()) == ["C a", "E a"])
    }

    @Test func whatGoesIsGone() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.cluster, [cluster("a"), cluster("b")]))
        cache.apply(try offer(.endpoints, [endpoints("a"), endpoints("b")]))
        _ = cache.resources()
        cache.apply(try offer(.cluster, [], removed: ["a"]))
        #expect(names(cache.resources()) == ["C b", "E b"])
        cache.forgetUnmentioned()
        #expect(cache.held(.endpoints).keys.sorted() == ["b"])
        // With the state of the world what is not there any more.
        cache.apply(try offer(.cluster, [cluster("c")], isWhole: true))
        cache.apply(try offer(.endpoints, [endpoints("c")], isWhole: true))
        #expect(names(cache.resources()) == ["C c", "E c"])
    }

    @Test func aRefusedResourceIsAsItWas() throws {
        var before = ResourceCache()
        before.apply(try offer(.cluster, [cluster("a", timeout: 1)]))
        before.apply(try offer(.endpoints, [endpoints("a")]))
        var cache = before
        cache.apply(try offer(.cluster, [cluster("a", timeout: 2), cluster("b")]))
        cache.revert(.cluster, "a", to: before)
        cache.revert(.cluster, "b", to: before)
        #expect(cache.resources().clusters == before.resources().clusters)
    }

    @Test func whatWasSavedIsWhatThereWas() throws {
        var cache = ResourceCache()
        cache.apply(try offer(.listener, [try listener("l", routes: "one")]))
        cache.apply(try offer(.routes, [routes("one", to: "a")]))
        cache.apply(try offer(.cluster, [cluster("a")]))
        cache.apply(try offer(.endpoints, [endpoints("a")]))
        let bytes = try #require(cache.saved())
        var read = try #require(ResourceCache(saved: bytes))
        #expect(read.held == cache.held)
        #expect(read.resources() == cache.resources())
        #expect(ResourceCache(saved: [0xFF, 1, 2]) == nil)
    }

    @Test func resourcesOfOneTypeDoNotCollideInASet() {
        let hashes = (0..<1000).map { number in
            let cluster = Envoy_Config_Cluster_V3_Cluster.with { $0.name = "cluster-\(number)" }
            let any = Google_Protobuf_Any.with { $0.value = (try? cluster.serializedData()) ?? Data() }
            return HeldResource(version: "1", resource: any).hashValue
        }
        #expect(Set(hashes).count > 990)
    }
}
