internal import MartletXDSMessages
internal import SwiftProtobuf

/// Who a proxy is, as it tells a control plane (`envoy.config.core.v3.Node`).
package struct DiscoveryNode: Sendable, Equatable {
    /// Unique among the proxies of a control plane.
    package var id: String
    /// What the proxy serves; proxies of one are configured alike.
    package var cluster: String
    package var region = ""
    package var zone = ""
    /// By which changes are rolled out to a part of the proxies. In `metadata`.
    package var labels: [String: String] = [:]
    /// Of this program.
    package var version: String

    package init(id: String, cluster: String, version: String) {
        self.id = id
        self.cluster = cluster
        self.version = version
    }

    var message: Envoy_Config_Core_V3_Node {
        .with { node in
            node.id = id
            node.cluster = cluster
            node.userAgentName = "martlet"
            node.userAgentVersion = version
            if !region.isEmpty || !zone.isEmpty {
                node.locality = .with {
                    $0.region = region
                    $0.zone = zone
                }
            }
            if !labels.isEmpty {
                node.metadata = .with { $0.fields = labels.mapValues { Google_Protobuf_Value(stringValue: $0) } }
            }
        }
    }
}
