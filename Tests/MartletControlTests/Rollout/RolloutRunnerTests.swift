import Dispatch
import Foundation
import MartletControl
import MartletXDS
import Synchronization
import Testing

@Suite("Rollouts that move by themselves")
struct RolloutRunnerTests {
    /// A connected proxy that has what it was told and has more and more requests, all the time.
    private struct Member {
        let name: ProxyName
        private let desk: Desk
        private let told: AsyncStream<Publication>
        private let traffic: any DispatchSourceTimer
        private let counted = Counted()

        init(_ desk: Desk) async throws {
            let proxy = ProxyIdentity(id: "a")
            (self.desk, name) = (desk, proxy.name)
            let membership = await desk.control.publisher.join(proxy)
            told = membership.publications
            let fleet = desk.control.fleet
            var status = ProxyStatus(proxy, method: "delta", address: "ipv4:127.0.0.1:4000", connectedAt: 0)
            (status.state, status.sentRevision, status.acknowledgedRevision) = (.synced, .max, .max)
            fleet.update(membership.id, status)
            let stream = try fleet.beginReports(of: proxy.name, from: "ipv4:127.0.0.1:4001")
            // Not by a task: what waits for others would take their turns.
            traffic = DispatchSource.makeTimerSource()
            traffic.setEventHandler { [counted] in
                let (runs, errors) = counted.next()
                var report = ProxyReport(instance: 1)
                report.responses[2] = runs
                report.policies = [ProxyReport.Policy(name: "team", counts: .of(runs, errors: errors))]
                try? fleet.report(report, of: proxy.name, by: stream)
            }
            traffic.schedule(deadline: .now(), repeating: .milliseconds(20))
            traffic.resume()
        }

        /// From now on one run of twenty errs.
        func err() { counted.isErring.store(true, ordering: .relaxed) }

        /// Its rollout, once that is over.
        func outcome() async throws -> Rollout {
            defer { traffic.cancel() }
            for await publication in told {
                // Proxies are told first, and those who ask know then.
                while await desk.control.mesh.revision < publication.revision { await Task.yield() }
                let rollout = try await desk.control.rollout("default").rollout
                if !rollout.isRunning { return rollout }
            }
            throw CancellationError()
        }
    }

    private final class Counted: Sendable {
        let isErring = Atomic(false)
        private let runs = Atomic<UInt64>(0)
        private let errors = Atomic<UInt64>(0)

        func next() -> (runs: UInt64, errors: UInt64) {
            (
                runs.add(2000, ordering: .relaxed).newValue,
                errors.add(isErring.load(ordering: .relaxed) ? 100 : 0, ordering: .relaxed).newValue
            )
        }
    }

    private static func plan(_ stages: RolloutStage...) -> RolloutPlan { RolloutPlan(stages: stages) }

    @Test("Stage after stage, and then all")
    func promoted() async throws {
        try await Desk().use { desk in
            try await desk.apply(TeamPolicy.shop)
            let member = try await Member(desk)
            _ = try await desk.control.startRollout(
                Desk.submission(TeamPolicy.change),
                Self.plan(
                    RolloutStage(.canary, .count(1), seconds: 1), RolloutStage(.canary, .percent(100), seconds: 1)),
                by: "tester")
            let over = try await member.outcome()
            #expect(over.state == .promoted && over.reason == "stage 2 of 2 was good")
            let key = try DocumentKey("default", "policies", "team")
            #expect(try await desk.control.document(key, at: nil).text.contains("new"))
        }
    }

    @Test("Back, when its policy errs")
    func rolledBack() async throws {
        try await Desk().use { desk in
            try await desk.apply(TeamPolicy.shop)
            let member = try await Member(desk)
            _ = try await desk.control.startRollout(
                Desk.submission(TeamPolicy.change), Self.plan(RolloutStage(.canary, .count(1), seconds: 600)),
                by: "tester")
            member.err()
            let over = try await member.outcome()
            #expect(over.state == .rolledBack && over.reason.hasPrefix("policy \"team\" errs: "), "\(over.reason)")
            let log = try await desk.control.log(namespace: "default", limit: 1)
            #expect(log.first?.attribution.author == "martlet-control")
        }
    }

    @Test("What its proxies did before it is kept with it, for whoever watches it later")
    func before() async throws {
        try await Desk().use { desk in
            try await desk.apply(TeamPolicy.shop)
            let member = try await Member(desk)
            while desk.control.fleet.traffic(of: member.name, since: .now - .seconds(60)) == nil { await Task.yield() }
            _ = try await desk.control.startRollout(
                Desk.submission(TeamPolicy.change), Self.plan(RolloutStage(.canary, .count(1), seconds: 600)),
                by: "tester")
            let kept = try #require(try await desk.control.rollout("default").rollout.before)
            #expect(kept.requests >= 2000 && kept.policies["team"]?.runs == kept.requests)
            _ = try await desk.control.abortRollout("default", by: "tester", message: "")
            #expect(try await member.outcome().before == nil)
        }
    }

    @Test("Back, when its next stage has nobody any more")
    func deserted() async throws {
        try await Desk().use { desk in
            try await desk.apply(TeamPolicy.shop)
            let member = try await Member(desk)
            let far = await desk.control.publisher.join(ProxyIdentity(id: "b", zone: "far"))
            _ = try await desk.control.startRollout(
                Desk.submission(TeamPolicy.change),
                Self.plan(
                    RolloutStage(.canary, try RolloutShare("id=a"), seconds: 1),
                    RolloutStage(.canary, try RolloutShare("zone=far"), seconds: 1)), by: "tester")
            await desk.control.publisher.leave(far.id)
            let over = try await member.outcome()
            #expect(over.state == .rolledBack && over.reason.contains("cannot go on"), "\(over.reason)")
        }
    }
}
