internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

@Suite("Resources that mean no good")
struct HostileResourceTests {
    /// Bytes of real resources with some of them changed: many can still be read, and say what nobody would.
    @Test("Whatever the bytes are, they are refused or understood", arguments: 0..<15)
    func mutated(seed: Int) throws {
        var chance = MeshGenerator(seed: UInt64(seed))
        let node = chance.document().node(mark: ConfigMark(file: "m.yaml", line: 1, column: 1))
        let resources = try RoundTrip(node, files: MeshGenerator.files).resources
        for _ in 0..<12 {
            let diagnostics = ConfigDiagnostics()
            var received = MeshResources()
            for type in ResourceType.allCases {
                for named in try resources.packed(type) {
                    var bytes = Array(named.resource.value)
                    for _ in 0..<chance.number(0...3) where !bytes.isEmpty {
                        bytes[chance.number(0...bytes.count - 1)] = UInt8(chance.number(0...255))
                    }
                    received.add(
                        .with { ($0.typeURL, $0.value) = (type.typeURL, .init(bytes)) }, diagnostics: diagnostics)
                }
            }
            let root = received.document(diagnostics: diagnostics)
            _ = ProxyConfig.decode(root: root, filters: knownFilters, diagnostics: diagnostics)
            _ = received.forOthers
        }
    }

    @Test("Numbers at their ends are mistakes, and no more")
    func extremes() throws {
        var foreign = try Foreign(
            hosts: Foreign.all(#""route":{"cluster":"api","retryPolicy":{"retryOn":"5xx","numRetries":4294967295}}"#))
        foreign.resources.clusters[0].connectTimeout = .init(seconds: .min, nanos: -1)
        foreign.resources.clusters[0].roundRobinLbConfig.slowStartConfig = .with {
            $0.slowStartWindow = .init(seconds: .max, nanos: .max)
            $0.aggression.defaultValue = -1e300
            $0.minWeightPercent.value = .nan
        }
        foreign.resources.clusters[0].healthChecks = [
            .with {
                $0.httpHealthCheck.expectedStatuses = [.with { ($0.start, $0.end) = (.max, .min) }]
                $0.intervalJitterPercent = .max
            }
        ]
        foreign.resources.endpoints[0].endpoints[0].lbEndpoints[1].loadBalancingWeight = .init(.max)
        let (_, errors, _) = foreign.decoded()
        #expect(errors.contains { $0.contains("connect_timeout") })
        #expect(errors.contains { $0.contains("aggression") } && errors.contains { $0.contains("min_weight") })
        #expect(errors.contains { $0.contains("expect[0]") })
    }
}
