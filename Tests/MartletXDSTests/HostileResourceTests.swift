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

    @Test("Filters whose numbers are at their ends are mistakes, and no more")
    func extremeFilters() throws {
        var foreign = try Foreign(hosts: Foreign.all())
        try foreign.insert(
            Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault.with {
                $0.delay.fixedDelay = .init(seconds: .min, nanos: .max)
                $0.delay.percentage = .with { ($0.numerator, $0.denominator) = (.max, .UNRECOGNIZED(7)) }
                $0.abort.httpStatus = .max
                $0.responseRateLimit.fixedLimit.limitKbps = .max
                $0.maxActiveFaults = .init(.max)
            }, named: "fault")
        try foreign.insert(
            Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit.with {
                $0.tokenBucket = .with { ($0.maxTokens, $0.fillInterval) = (.max, .init(seconds: .max, nanos: .min)) }
                $0.status.code = .UNRECOGNIZED(Int(Int32.min))
                ($0.filterEnabled.defaultValue.numerator, $0.filterEnforced.defaultValue.numerator) = (.max, 50)
            }, named: "limit")
        try foreign.insert(
            Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication.with {
                $0.providers["a"] = .with {
                    $0.clockSkewSeconds = .max
                    $0.maxLifetime = .init(seconds: -1, nanos: -1)
                    $0.remoteJwks.cacheDuration = .init(seconds: .min, nanos: 0)
                }
            }, named: "jwt")
        try foreign.insert(
            Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.with {
                $0.rules.action = .UNRECOGNIZED(9)
                $0.rules.policies[""] = .with {
                    $0.permissions = [.with { $0.any = true }]
                    $0.principals = [.with { $0.remoteIp.prefixLen = .init(.max) }]
                }
            }, named: "rbac")
        var rule = Envoy_Config_Rbac_V3_Permission.with { $0.any = true }
        for _ in 0..<45 { rule = .with { [rule] in $0.andRules.rules = [.with { $0.notRule = rule }] } }
        try foreign.insert(
            Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.with {
                $0.rules.policies["a"] = .with { $0.permissions = [rule] }
            }, named: "deep")
        try foreign.insert(Envoy_Extensions_Filters_Http_Buffer_V3_Buffer(), named: "buffer")
        let (_, errors, _) = foreign.decoded()
        for words in ["rules.action", "permissions and principals are required", "a share of the requests"] {
            #expect(errors.contains { $0.contains(words) }, "\(words): \(errors)")
        }
    }
}
