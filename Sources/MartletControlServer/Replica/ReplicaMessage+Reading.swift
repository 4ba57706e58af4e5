internal import Foundation
package import MartletControl
internal import MartletCore
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf

// What another replica says, checked as far as anything is worked out from it here: whoever may write to etcd can name what answers.

/// What is wrong with what a replica says.
package struct ReplicaFault: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

extension ReplicaMessage {
    /// Up to a day: numbers beyond have no meaning here, and might be too large to be shown.
    static func duration(_ milliseconds: Int64) -> Duration { .milliseconds(min(max(0, milliseconds), 86_400_000)) }
}

extension ReplicaView {
    /// What cannot be read of a proxy, which may be of another version, is not known of it, and the others are.
    /// - Parameter replica: whose view it is.
    package init(_ message: ReplicaMessage, of replica: Replica) {
        self.init()
        self.replica = message.replica
        proxies = message.proxies.map { Proxy($0, of: replica) }
        for sight in message.sights { sights[sight.namespace] = Sight(sight) }
    }
}

extension ReplicaView.Proxy {
    init(_ message: ReplicaMessage.Proxy, of replica: Replica) {
        let identity = ProxyIdentity(
            id: message.id, cluster: message.cluster, region: message.region, zone: message.zone,
            labels: message.labels, audience: Self.audience(message.audience), agent: message.agent)
        var status = ProxyStatus(
            identity, method: message.method, address: message.address, connectedAt: message.connectedAt)
        (status.lag, status.replica) = (message.lag, replica.name)
        status.state = ProxyStatus.State(rawValue: message.state) ?? .pending
        (status.sentRevision, status.acknowledgedRevision) = (message.sentRevision, message.acknowledgedRevision)
        status.appliedRevision = message.appliedRevision
        status.feeds = message.feeds.compactMap { feed in
            ResourceType(rawValue: feed.type).map { type in
                ProxyStatus.Feed(
                    type: type, sentVersion: feed.sentVersion, acknowledgedVersion: feed.acknowledgedVersion,
                    refusal: feed.refusal.map { ErrorDetail(code: feed.refusalCode ?? 3, message: $0) },
                    withheld: feed.withheld)
            }
        }
        if let report = message.report.flatMap({ Self.report($0) }) {
            status.report = ProxyStatus.Report(
                age: ReplicaMessage.duration(message.reportAgeMilliseconds ?? 0), newest: report,
                recent: message.recent.flatMap { ReportedTraffic($0) })
        }
        self.init(status, past: message.past.flatMap { ReportedTraffic($0) })
    }

    private static func audience(_ word: String) -> ProxyIdentity.Audience {
        switch word {
        case "martlet": .martlet
        case "grpc": .grpc
        default: .other
        }
    }

    private static func report(_ bytes: Data) -> ProxyReport? {
        (try? ReportMessage(serializedBytes: bytes)).flatMap { try? ProxyReport($0) }
    }
}

extension ReportedTraffic {
    /// Nil: it counts otherwise than this version does.
    init?(_ message: ReplicaMessage.Traffic) {
        self = .none
        guard message.responses.count == responses.count, message.durations.count == durations.count else { return nil }
        span = ReplicaMessage.duration(message.milliseconds)
        (responses, durations) = (message.responses, message.durations)
        for (name, numbers) in message.policies where numbers.count == 4 {
            var tally = PolicyTally()
            (tally.runs, tally.errors) = (numbers[0], numbers[1])
            (tally.budgetBreaches, tally.shadowDecisions) = (numbers[2], numbers[3])
            policies[name] = tally
        }
    }
}

extension ReplicaView.Sight {
    init(_ message: ReplicaMessage.Sight) {
        var sight = RolloutSight()
        (sight.have, sight.lack, sight.isBefore) = (message.have, message.lack, message.isBefore)
        sight.canary = ReportedTraffic(message.canary) ?? .none
        sight.others = ReportedTraffic(message.others) ?? .none
        sight.finding = message.finding
        self.init(sight, revision: message.revision)
    }
}
