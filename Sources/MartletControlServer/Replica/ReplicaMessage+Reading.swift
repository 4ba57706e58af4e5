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
    /// - Parameter replica: whose view it is.
    package init(_ message: ReplicaMessage, of replica: Replica) throws(ReplicaFault) {
        self.init()
        for proxy in message.proxies { proxies.append(try Proxy(proxy, of: replica)) }
        for sight in message.sights { sights[sight.namespace] = try Sight(sight) }
    }
}

extension ReplicaView.Proxy {
    init(_ message: ReplicaMessage.Proxy, of replica: Replica) throws(ReplicaFault) {
        let identity = ProxyIdentity(
            id: message.id, cluster: message.cluster, region: message.region, zone: message.zone,
            labels: message.labels, audience: Self.audience(message.audience), agent: message.agent)
        var status = ProxyStatus(
            identity, method: message.method, address: message.address, connectedAt: message.connectedAt)
        guard let state = ProxyStatus.State(rawValue: message.state) else {
            throw ReplicaFault("proxies: there is no state \"\(message.state.prefix(40))\"")
        }
        (status.state, status.lag, status.replica) = (state, message.lag, replica.name)
        (status.sentRevision, status.acknowledgedRevision) = (message.sentRevision, message.acknowledgedRevision)
        status.appliedRevision = message.appliedRevision
        for feed in message.feeds {
            // Types of a later version.
            guard let type = ResourceType(rawValue: feed.type) else { continue }
            status.feeds.append(
                ProxyStatus.Feed(
                    type: type, sentVersion: feed.sentVersion, acknowledgedVersion: feed.acknowledgedVersion,
                    refusal: feed.refusal.map { ErrorDetail(code: feed.refusalCode ?? 3, message: $0) },
                    withheld: feed.withheld))
        }
        if let report = message.report {
            status.report = ProxyStatus.Report(
                age: ReplicaMessage.duration(message.reportAgeMilliseconds ?? 0), newest: try Self.report(report),
                recent: try message.recent.map { (traffic) throws(ReplicaFault) in try ReportedTraffic(traffic) })
        }
        self.init(
            status, past: try message.past.map { (traffic) throws(ReplicaFault) in try ReportedTraffic(traffic) })
    }

    private static func audience(_ word: String) -> ProxyIdentity.Audience {
        switch word {
        case "martlet": .martlet
        case "grpc": .grpc
        default: .other
        }
    }

    private static func report(_ bytes: Data) throws(ReplicaFault) -> ProxyReport {
        guard let message = try? ReportMessage(serializedBytes: bytes) else {
            throw ReplicaFault("proxies: a report is no martlet.control.v1.ProxyReport")
        }
        do { return try ProxyReport(message) } catch { throw ReplicaFault("proxies: a report: \(error)") }
    }
}

extension ReportedTraffic {
    init(_ message: ReplicaMessage.Traffic) throws(ReplicaFault) {
        guard message.responses.count == ProxyReport.classes, message.durations.count == DurationBuckets.count else {
            throw ReplicaFault(
                "traffic: \(message.responses.count) and \(message.durations.count) numbers instead of \(ProxyReport.classes) and \(DurationBuckets.count)"
            )
        }
        var policies: [String: PolicyTally] = [:]
        for (name, numbers) in message.policies {
            guard numbers.count == 4 else {
                throw ReplicaFault("traffic: a policy has \(numbers.count) numbers instead of 4")
            }
            var tally = PolicyTally()
            (tally.runs, tally.errors) = (numbers[0], numbers[1])
            (tally.budgetBreaches, tally.shadowDecisions) = (numbers[2], numbers[3])
            policies[name] = tally
        }
        self = .none
        span = ReplicaMessage.duration(message.milliseconds)
        (responses, durations, self.policies) = (message.responses, message.durations, policies)
    }
}

extension ReplicaView.Sight {
    init(_ message: ReplicaMessage.Sight) throws(ReplicaFault) {
        var sight = RolloutSight()
        (sight.have, sight.lack, sight.isBefore) = (message.have, message.lack, message.isBefore)
        (sight.canary, sight.others) = (try ReportedTraffic(message.canary), try ReportedTraffic(message.others))
        sight.finding = message.finding
        self.init(sight, revision: message.revision)
    }
}
