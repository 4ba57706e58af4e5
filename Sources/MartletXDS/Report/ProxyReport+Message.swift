internal import MartletXDSMessages
internal import SwiftProtobuf

extension ProxyReport {
    /// Of the gRPC method that takes them.
    package static let method = "/martlet.control.v1.ProxyReports/StreamReports"

    /// - Parameter node: who reports; in the first message of a stream.
    package func message(from node: DiscoveryNode?) -> [UInt8]? {
        let message = Martlet_Control_V1_ProxyReport.with { message in
            if let node { message.node = node.message }
            message.instance = instance
            message.types = ResourceType.allCases.compactMap { type in
                guard let state = states[type] else { return nil }
                return .with {
                    $0.typeURL = type.typeURL
                    $0.version = state.version
                    $0.waiting = state.waiting
                    $0.waitingCount = UInt32(clamping: state.waitingCount)
                }
            }
            message.traffic = .with { traffic in
                traffic.responses = responses
                traffic.durations = durations
                traffic.policies = policies.prefix(Self.policyLimit).map { policy in
                    .with {
                        $0.name = policy.name
                        $0.version = policy.version
                        $0.runs = policy.counts.runs
                        $0.errors = policy.counts.errors
                        $0.budgetBreaches = policy.counts.budgetBreaches
                        $0.shadowDecisions = policy.counts.shadowDecisions
                    }
                }
            }
        }
        return try? message.serializedBytes()
    }
}

extension ReportOrder {
    /// Nil: it is none.
    package init?(message bytes: [UInt8]) {
        guard let message = try? Martlet_Control_V1_ReportOrder(serializedBytes: bytes) else { return nil }
        self = .standard
        if message.intervalMilliseconds > 0 {
            let asked = Duration.milliseconds(Int64(message.intervalMilliseconds))
            interval = min(max(asked, Self.bounds.lowerBound), Self.bounds.upperBound)
        }
    }
}
