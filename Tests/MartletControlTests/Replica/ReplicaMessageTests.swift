import Foundation
import MartletControl
import MartletControlServer
import MartletCore
import MartletXDS
import Testing

@Suite("What replicas tell each other")
struct ReplicaMessageTests {
    private let replica = Replica(id: "1", url: "http://10.0.0.1:18001", token: "")

    private static var traffic: ReportedTraffic {
        var traffic = ReportedTraffic.none
        traffic.span = .milliseconds(1500)
        (traffic.responses[2], traffic.durations[3]) = (7, .max)
        var tally = PolicyTally()
        (tally.runs, tally.errors, tally.budgetBreaches, tally.shadowDecisions) = (9, 2, 1, 3)
        traffic.policies = ["team_a": tally]
        return traffic
    }

    private static var view: ReplicaView {
        let proxy = ProxyIdentity(
            id: "edge", cluster: "front", region: "eu", zone: "eu-1", labels: ["namespace": "shop", "some_tier": "x"],
            audience: .other, agent: "envoy 1.40.0")
        var status = ProxyStatus(proxy, method: "delta", address: "ipv4:10.0.0.9:4000", connectedAt: 1_790_000_000_000)
        (status.state, status.sentRevision, status.acknowledgedRevision) = (.refused, 9, 8)
        (status.appliedRevision, status.lag) = (7, 1200)
        status.feeds = [
            ProxyStatus.Feed(
                type: .listener, sentVersion: "9", acknowledgedVersion: nil,
                refusal: ErrorDetail(code: 9, message: "no"), withheld: ["public"])
        ]
        var report = ProxyReport(instance: .max)
        report.states[.cluster] = ProxyReport.State(version: "8", waiting: ["api"], waitingCount: 300)
        report.responses[5] = 4
        report.policies = [ProxyReport.Policy(name: "team_a", version: "3")]
        status.report = ProxyStatus.Report(age: .milliseconds(250), newest: report, recent: traffic)
        var view = ReplicaView()
        view.replica = "1"
        view.proxies = [
            ReplicaView.Proxy(status, past: traffic),
            ReplicaView.Proxy(
                ProxyStatus(ProxyIdentity(id: "client", audience: .grpc), method: "sotw", address: "", connectedAt: 0),
                past: nil),
        ]
        var sight = RolloutSight()
        (sight.have, sight.lack, sight.isBefore, sight.finding) = (["a"], ["b"], true, "good so far")
        sight.canary = traffic
        view.sights["shop"] = ReplicaView.Sight(sight, revision: 12)
        return view
    }

    private func read(_ message: ReplicaMessage, changing words: (String, String)? = nil) throws -> ReplicaView {
        var text = String(decoding: try APICoding.encoder.encode(message), as: UTF8.self)
        if let words {
            try #require(text.contains(words.0), "\(text)")
            text = text.replacing(words.0, with: words.1)
        }
        return ReplicaView(try APICoding.decoder.decode(ReplicaMessage.self, from: Data(text.utf8)), of: replica)
    }

    @Test("It comes over as it was, with whose it is")
    func whole() throws {
        let (view, back) = (Self.view, try read(ReplicaMessage(Self.view)))
        #expect(back.proxies.map(\.status.proxy) == view.proxies.map(\.status.proxy))
        let (status, seen) = (view.proxies[0].status, back.proxies[0].status)
        #expect(seen.replica == "http://10.0.0.1:18001" && seen.namespace == "shop" && seen.id == "edge")
        #expect(seen.feeds == status.feeds && seen.state == .refused && seen.lag == 1200)
        #expect([seen.sentRevision, seen.acknowledgedRevision, seen.appliedRevision] == [9, 8, 7])
        #expect(seen.address == status.address && seen.connectedAt == status.connectedAt && seen.method == "delta")
        #expect(seen.report?.newest == status.report?.newest && seen.report?.age == .milliseconds(250))
        // Of the last seconds only the rates are shown.
        var recent = Self.traffic
        recent.policies = [:]
        #expect(seen.report?.recent == recent && back.proxies[0].past == Self.traffic)
        #expect(back.proxies[1].status.report == nil && back.proxies[1].past == nil)
        let sight = try #require(back.sights["shop"])
        #expect(sight.revision == 12 && sight.sight.canary == Self.traffic && sight.sight.finding == "good so far")
        #expect(sight.sight.have == ["a"] && sight.sight.lack == ["b"] && sight.sight.isBefore)
    }

    @Test(
        "What this version cannot read of a proxy is not known of it, and the proxy is there",
        arguments: [
            ("\"durations\":[", "\"durations\":[1,"), ("\"responses\":[", "\"responses\":[1,"),
            ("\"team_a\":[9,2,1,3]", "\"team_a\":[9]"), ("\"refused\"", "\"unknown\""),
            ("\"report\":\"", "\"report\":\"////"), ("\"type\":\"envoy.config", "\"type\":\"envoy.other"),
            ("\"audience\":\"grpc\"", "\"audience\":\"carrier pigeon\""),
        ])
    func unreadable(from: String, to: String) throws {
        let view = try read(ReplicaMessage(Self.view), changing: (from, to))
        #expect(view.proxies.map(\.status.id) == ["edge", "client"])
        let edge = view.proxies[0]
        switch from {
        case "\"durations\":[", "\"responses\":[":
            #expect(
                edge.past == nil && edge.status.report?.recent == nil
                    && view.sights["shop"]?.sight.canary == ReportedTraffic.none)
        case "\"team_a\":[9,2,1,3]": #expect(edge.past?.policies.isEmpty == true && edge.past?.requests == 7)
        case "\"refused\"": #expect(edge.status.state == .pending)
        case "\"report\":\"": #expect(edge.status.report == nil)
        case "\"type\":\"envoy.config": #expect(edge.status.feeds.isEmpty)
        default: #expect(view.proxies[1].status.proxy.audience == .other)
        }
    }

    @Test("Times beyond all bounds are no trouble")
    func times() throws {
        let back = try read(
            ReplicaMessage(Self.view), changing: ("\"milliseconds\":1500", "\"milliseconds\":-9223372036854775808"))
        #expect(back.proxies[0].past?.span == .zero)
        let old = try read(
            ReplicaMessage(Self.view),
            changing: ("\"report_age_milliseconds\":250", "\"report_age_milliseconds\":9223372036854775807"))
        #expect(old.proxies[0].status.report?.age == .seconds(86_400))
        // It can be said again.
        _ = ReplicaMessage(old)
    }
}
