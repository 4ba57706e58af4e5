internal import MartletControl
internal import MartletXDSMessages
internal import SwiftProtobuf

// MartletControlServer is the control plane's doors: xDS over gRPC (Discovery), and the REST API (API). What is behind them
// is MartletControl's.

extension ProxyIdentity {
    init(_ node: Envoy_Config_Core_V3_Node) {
        let labels = node.metadata.fields.compactMapValues { value in
            if case .stringValue(let text) = value.kind { text } else { nil }
        }
        self.init(
            id: node.id, cluster: node.cluster, region: node.locality.region, zone: node.locality.zone, labels: labels,
            audience: Self.audience(node.userAgentName), agent: Self.agent(node))
    }

    private static func audience(_ agent: String) -> Audience {
        if agent == "martlet" { return .martlet }
        // "gRPC C-core Python", "gRPC Java", "gRPC Go" and so on.
        return agent.hasPrefix("gRPC ") || agent.hasPrefix("grpc-") ? .grpc : .other
    }

    private static func agent(_ node: Envoy_Config_Core_V3_Node) -> String {
        node.userAgentVersion.isEmpty ? node.userAgentName : "\(node.userAgentName) \(node.userAgentVersion)"
    }
}
