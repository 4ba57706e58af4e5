internal import Foundation
package import MartletControl
internal import MartletXDS

/// What a replica knows and the others do not, as they tell each other. Replicas of two versions may run side by side: fields are only
/// added, and who reads takes what is missing for unknown.
package struct ReplicaMessage: Codable, Sendable {
    package struct Feed: Codable, Sendable {
        var type: String
        var sentVersion: String?
        var acknowledgedVersion: String?
        var refusalCode: Int32?
        var refusal: String?
        var withheld: [String]
    }

    package struct Proxy: Codable, Sendable {
        var id: String
        var cluster: String
        var region: String
        var zone: String
        var labels: [String: String]
        /// `martlet`, `grpc`, or anything else.
        var audience: String
        var agent: String
        var method: String
        var address: String
        var connectedAt: Int64
        var state: String
        var sentRevision: Int64
        var acknowledgedRevision: Int64
        var appliedRevision: Int64?
        var lag: Int64?
        var feeds: [Feed]
        /// The newest `martlet.control.v1.ProxyReport`, as proxies send them.
        var report: Data?
        var reportAgeMilliseconds: Int64?
        var recent: Traffic?
        var past: Traffic?
    }

    package struct Traffic: Codable, Sendable {
        var milliseconds: Int64
        var responses: [UInt64]
        var durations: [UInt64]
        /// Runs, errors, breaches of budgets, decisions in shadow mode.
        var policies: [String: [UInt64]]
    }

    package struct Sight: Codable, Sendable {
        var namespace: String
        var revision: Int64
        var have: [String]
        var lack: [String]
        var canary: Traffic
        var others: Traffic
        var isBefore: Bool
        var finding: String
    }

    /// Who says so: at its address may be another process by now.
    var replica: String
    var proxies: [Proxy]
    var sights: [Sight]
}

extension ReplicaMessage {
    package init(_ view: ReplicaView) {
        replica = view.replica
        proxies = view.proxies.map { Proxy($0) }
        sights = view.sights.sorted { $0.key < $1.key }.map { Sight(namespace: $0, $1) }
    }
}

extension ReplicaMessage.Proxy {
    init(_ seen: ReplicaView.Proxy) {
        let status = seen.status
        let proxy = status.proxy
        (id, cluster, region, zone) = (proxy.id, proxy.cluster, proxy.region, proxy.zone)
        (labels, agent, audience) = (proxy.labels, proxy.agent, Self.word(for: proxy.audience))
        (method, address, connectedAt) = (status.method, status.address, status.connectedAt)
        (state, lag) = (status.state.rawValue, status.lag)
        (sentRevision, acknowledgedRevision) = (status.sentRevision, status.acknowledgedRevision)
        appliedRevision = status.appliedRevision
        feeds = status.feeds.map { feed in
            ReplicaMessage.Feed(
                type: feed.type.rawValue, sentVersion: feed.sentVersion, acknowledgedVersion: feed.acknowledgedVersion,
                refusalCode: feed.refusal?.code, refusal: feed.refusal?.message, withheld: feed.withheld)
        }
        if let report = status.report {
            self.report = report.newest.message(from: nil).map { Data($0) }
            reportAgeMilliseconds = Int64(report.age / .milliseconds(1))
            recent = report.recent.map { traffic in
                // Only the rates are shown.
                var traffic = traffic
                traffic.policies = [:]
                return ReplicaMessage.Traffic(traffic)
            }
        }
        past = seen.past.map { ReplicaMessage.Traffic($0) }
    }

    private static func word(for audience: ProxyIdentity.Audience) -> String {
        switch audience {
        case .martlet: "martlet"
        case .grpc: "grpc"
        case .other: "other"
        }
    }
}

extension ReplicaMessage.Traffic {
    init(_ traffic: ReportedTraffic) {
        milliseconds = Int64(traffic.span / .milliseconds(1))
        (responses, durations) = (traffic.responses, traffic.durations)
        policies = traffic.policies.mapValues { [$0.runs, $0.errors, $0.budgetBreaches, $0.shadowDecisions] }
    }
}

extension ReplicaMessage.Sight {
    init(namespace: String, _ seen: ReplicaView.Sight) {
        (self.namespace, revision) = (namespace, seen.revision)
        let sight = seen.sight
        (have, lack, isBefore, finding) = (sight.have, sight.lack, sight.isBefore, sight.finding)
        (canary, others) = (ReplicaMessage.Traffic(sight.canary), ReplicaMessage.Traffic(sight.others))
    }
}
