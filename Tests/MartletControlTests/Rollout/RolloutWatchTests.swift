import MartletControl
import MartletXDS
import Testing

/// Three proxies of which the first has a change; time and counts are what a test says.
private struct Scene {
    var watch: RolloutWatch
    var statuses: [String: ProxyStatus] = [:]
    var reports: [String: ProxyReport] = [:]
    let start = ContinuousClock.now

    /// - Parameters:
    ///   - before: what is kept of it.
    ///   - age: in seconds, of a stage that another replica has watched.
    init(
        before: ReportedTraffic? = nil, age: Int = 0, _ change: (inout RolloutPlan) -> Void = { _ in }
    ) {
        var plan = RolloutPlan(stages: [RolloutStage(.canary, .count(1), seconds: 60)])
        plan.limits.patience = 100
        change(&plan)
        var rollout = Rollout(
            namespace: "default", author: "tester", message: "", startedAt: 0,
            changes: [Rollout.Change(kind: "policies", name: "team", body: "")], plan: plan)
        rollout.revision = 7
        rollout.before = before
        if plan.stages[0].share == .count(1) { rollout.members = ["a"] }
        watch = RolloutWatch(rollout, age: .seconds(age), now: start)
        for id in ["a", "b", "c"] {
            var status = ProxyStatus(ProxyIdentity(id: id), method: "delta", address: "", connectedAt: 0)
            (status.state, status.sentRevision, status.appliedRevision) = (.synced, 7, 6)
            statuses[id] = status
            reports[id] = ProxyReport(instance: 1)
            // What a proxy did before is nobody's concern.
            count(id, 1000, errors: 500)
        }
    }

    mutating func count(_ id: String, _ requests: UInt64, errors: UInt64 = 0) {
        guard var report = reports[id] else { return }
        report.responses[2] += requests
        report.durations[0] += requests
        var tally = report.policies.first?.counts ?? PolicyTally()
        tally.runs += requests
        tally.errors += errors
        report.policies = [ProxyReport.Policy(name: "team", counts: tally)]
        reports[id] = report
    }

    mutating func restart(_ id: String) {
        reports[id] = ProxyReport(instance: (reports[id]?.instance ?? 0) + 1)
    }

    mutating func look(after seconds: Int, missing: String? = nil) -> RolloutWatch.Outcome {
        watch.look(
            at: statuses.values.sorted { $0.id < $1.id }, missing: missing, now: start + .seconds(seconds),
            report: { reports[$0.id] })
    }

    mutating func applies(_ id: String = "a") { statuses[id]?.appliedRevision = 7 }
}

@Suite("A stage of a rollout, watched")
struct RolloutWatchTests {
    @Test("It is good when all of its proxies have had the change for its time, and enough was seen")
    func good() {
        var scene = Scene()
        #expect(scene.look(after: 0) == .wait("0 of 1 proxies have it and report"))
        scene.applies()
        #expect(scene.look(after: 10) == .wait("good so far, for another 60 s"))
        scene.count("a", 99)
        #expect(scene.look(after: 69) == .wait("good so far, for another 1 s"))
        #expect(scene.look(after: 70) == .wait("99 of 100 requests seen"))
        scene.count("a", 1)
        #expect(scene.look(after: 71) == .moveOn)
        #expect(scene.watch.sight.canary.requests == 100)
        #expect(scene.watch.sight.have == ["a"] && scene.watch.sight.lack == [])
    }

    @Test("It is taken back as soon as it is seen to be bad, by what came after the change alone")
    func bad() {
        var scene = Scene()
        scene.applies()
        _ = scene.look(after: 0)
        scene.count("a", 50, errors: 2)
        scene.count("b", 300)
        #expect(scene.look(after: 1) == .wait("good so far, for another 59 s"))
        scene.count("a", 50, errors: 3)
        #expect(scene.look(after: 2) == .rollBack("policy \"team\" errs: 5 of 100, 5%, elsewhere 0%"))
        #expect(scene.watch.sight.others.requests == 300)
    }

    @Test("Without others that do anything it is compared with what its proxies did before")
    func before() {
        var scene = Scene(before: .of(1000, policies: ["team": .of(1000, errors: 50)]))
        scene.applies()
        _ = scene.look(after: 0)
        scene.count("a", 200, errors: 10)
        #expect(scene.look(after: 60) == .moveOn)
        #expect(scene.watch.sight.isBefore && scene.watch.sight.others.requests == 1000)
    }

    @Test("A proxy that refuses the change ends it; one that had refused something else before does not")
    func refusal() {
        func refuse(_ scene: inout Scene, _ reason: String) {
            scene.statuses["a"]?.state = .refused
            scene.statuses["a"]?.feeds = [
                .init(
                    type: .cluster, sentVersion: "2", acknowledgedVersion: "1",
                    refusal: ErrorDetail(code: 3, message: reason),
                    withheld: [])
            ]
        }
        var scene = Scene()
        scene.statuses["a"]?.sentRevision = 6
        refuse(&scene, "old")
        #expect(scene.look(after: 0) == .wait("0 of 1 proxies have it and report"))
        scene.statuses["a"]?.sentRevision = 7
        #expect(scene.look(after: 1) == .wait("0 of 1 proxies have it and report"))
        refuse(&scene, "new")
        #expect(scene.look(after: 2) == .rollBack("a refuses it: new"))
    }

    @Test("A proxy that starts anew twice ends it; once does not, and counts from 0")
    func restarts() {
        var scene = Scene()
        scene.applies()
        _ = scene.look(after: 0)
        scene.restart("a")
        scene.count("a", 150)
        #expect(scene.look(after: 1) == .wait("good so far, for another 59 s"))
        #expect(scene.watch.sight.canary.requests == 150)
        scene.restart("a")
        #expect(scene.look(after: 2) == .rollBack("a has started anew 2 times since it got the change"))
    }

    @Test("Proxies that go, never get it, or do not report hold it up, and in the end it is taken back")
    func missing() {
        var scene = Scene()
        scene.applies()
        _ = scene.look(after: 0)
        let status = scene.statuses.removeValue(forKey: "a")
        #expect(scene.look(after: 90) == .wait("0 of 1 proxies have it and report"))
        #expect(scene.watch.sight.lack == ["a"])
        scene.statuses["a"] = status
        #expect(scene.look(after: 100) == .wait("good so far, for another 60 s"))
        scene.reports["a"] = nil
        // Its time is over, but it may only be on its way to another replica.
        #expect(scene.look(after: 161) == .wait("0 of 1 proxies have it and report"))
        #expect(scene.look(after: 190) == .wait("0 of 1 proxies have it and report"))
        #expect(
            scene.look(after: 191) == .rollBack("a had not got it, or do not report, in 100 s more than its time"))
    }

    @Test("Patience is the stage's, whoever has watched it; a proxy may be away for a moment all the same")
    func takenOver() {
        var scene = Scene(age: 200)
        #expect(scene.look(after: 0) == .wait("0 of 1 proxies have it and report"))
        scene.applies()
        #expect(scene.look(after: 29) == .wait("good so far, for another 60 s"))
        scene.count("a", 99)
        #expect(scene.look(after: 89) == .rollBack("99 of 100 requests seen, in 100 s more than its time"))
        var other = Scene(age: 200)
        _ = other.look(after: 0)
        #expect(
            other.look(after: 30) == .rollBack("a had not got it, or do not report, in 100 s more than its time"))
    }

    @Test(
        "Of a share by conditions, too, one that had the change and has gone is missed; a half-gone connection is not")
    func gone() {
        var selector = ProxySelector()
        selector.ids = ["a", "b"]
        var scene = Scene { $0.stages[0].share = .selected(selector) }
        scene.applies()
        scene.applies("b")
        #expect(scene.look(after: 0) == .wait("good so far, for another 60 s"))
        let status = scene.statuses.removeValue(forKey: "a")
        #expect(scene.look(after: 60) == .wait("1 of 2 proxies have it and report"))
        #expect(scene.watch.sight.lack == ["a"])
        // It is back, and its old connection still stands.
        scene.statuses["a"] = status
        scene.statuses["a"]?.connectedAt = 9
        scene.statuses["old a"] = status
        scene.statuses["old a"]?.appliedRevision = 0
        scene.count("a", 50)
        scene.count("b", 49)
        #expect(scene.look(after: 61) == .wait("good so far, for another 60 s"))
        #expect(scene.look(after: 121) == .wait("99 of 100 requests seen"))
    }

    @Test("Proxies that may be with a replica that does not answer are waited for, for as long as for any")
    func silent() {
        var scene = Scene()
        scene.applies()
        let status = scene.statuses.removeValue(forKey: "a")
        let waits = RolloutWatch.Outcome.wait("r2, and some of these proxies may be with it")
        #expect(scene.look(after: 0, missing: "r2") == waits)
        #expect(scene.look(after: 160, missing: "r2") == waits)
        scene.statuses["a"] = status
        // Those that are named are all there: who else is with it does not matter.
        #expect(scene.look(after: 160, missing: "r2") == .wait("good so far, for another 60 s"))
        scene.statuses["a"] = nil
        #expect(scene.look(after: 161, missing: "r2") == waits)
        #expect(
            scene.look(after: 191, missing: "r2")
                == .rollBack("a had not got it, or do not report, in 100 s more than its time"))
    }

    @Test("Who is of a stage by conditions is known once all replicas answer")
    func missingSelected() {
        var selector = ProxySelector()
        selector.ids = ["a"]
        var scene = Scene { $0.stages[0].share = .selected(selector) }
        scene.applies()
        #expect(
            scene.look(after: 0, missing: "r2")
                == .wait("r2, and some of these proxies may be with it"))
        #expect(scene.look(after: 1) == .wait("good so far, for another 60 s"))
        // One that is missed for a moment when patience is over ends nothing.
        #expect(
            scene.look(after: 200, missing: "r2")
                == .wait("r2, and some of these proxies may be with it"))
    }

    @Test("Of a proxy that went to another replica counts what reports now, whatever its clock says")
    func moved() {
        var scene = Scene()
        scene.applies()
        var half = scene.statuses["a"]
        half?.connectedAt = 1_000_000
        half?.appliedRevision = 0
        scene.statuses["old a"] = half
        if let report = scene.reports["a"] {
            scene.statuses["a"]?.report = ProxyStatus.Report(age: .zero, newest: report, recent: nil)
            scene.statuses["old a"]?.report = ProxyStatus.Report(age: .seconds(5), newest: report, recent: nil)
        }
        #expect(scene.look(after: 0) == .wait("good so far, for another 60 s"))
    }

    @Test("Without requests nothing is known, and it is taken back")
    func quiet() {
        var scene = Scene()
        scene.applies()
        _ = scene.look(after: 0)
        #expect(scene.look(after: 160) == .wait("0 of 100 requests seen"))
        #expect(scene.look(after: 161) == .rollBack("0 of 100 requests seen, in 100 s more than its time"))
    }

    @Test("A share by conditions has whoever meets them; Envoy is never one of them")
    func selected() {
        var selector = ProxySelector()
        selector.zones = ["z"]
        var scene = Scene { $0.stages[0].share = .selected(selector) }
        scene.statuses["d"] = ProxyStatus(
            ProxyIdentity(id: "d", zone: "z"), method: "delta", address: "", connectedAt: 0)
        scene.statuses["e"] = ProxyStatus(
            ProxyIdentity(id: "e", zone: "z", audience: .other), method: "sotw", address: "", connectedAt: 0)
        _ = scene.look(after: 0)
        #expect(scene.watch.sight.lack == ["d"])
    }
}
