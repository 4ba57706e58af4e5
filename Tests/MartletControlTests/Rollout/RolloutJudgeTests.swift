import MartletControl
import MartletCore
import MartletXDS
import Testing

extension ReportedTraffic {
    /// - Parameter slow: of the requests, those that took 100 to 250 ms; the others took less than 1.
    /// - Parameter policies: nil: `team` ran for each request.
    static func of(
        _ requests: UInt64, failed: UInt64 = 0, slow: UInt64 = 0, policies: [String: PolicyTally]? = nil
    ) -> ReportedTraffic {
        var traffic = ReportedTraffic.none
        traffic.responses[2] = requests - failed
        traffic.responses[5] = failed
        traffic.durations[1] = requests - slow
        traffic.durations[7] = slow
        traffic.policies = policies ?? ["team": .of(requests)]
        return traffic
    }
}

extension PolicyTally {
    static func of(_ runs: UInt64, errors: UInt64 = 0, breaches: UInt64 = 0) -> PolicyTally {
        var tally = PolicyTally()
        (tally.runs, tally.errors, tally.budgetBreaches) = (runs, errors, breaches)
        return tally
    }
}

@Suite("What a rollout is judged by")
struct RolloutJudgeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let canary: ReportedTraffic
        var others = ReportedTraffic.of(1000, policies: ["team": .of(1000)])
        /// Nil: good.
        var bad: String?
        var waits: String?
    }

    static let cases: [Case] = [
        Case(testDescription: "as the others", canary: .of(200, policies: ["team": .of(200)])),
        Case(testDescription: "nothing seen", canary: .none, waits: "0 of 100 requests seen"),
        Case(testDescription: "too little seen", canary: .of(99), waits: "99 of 100 requests seen"),
        Case(
            testDescription: "errs on 5%, seen at once", canary: .of(60, policies: ["team": .of(60, errors: 3)]),
            bad: "policy \"team\" errs: 3 of 60, 5%, elsewhere 0%"),
        Case(
            testDescription: "two errors may be anything", canary: .of(200, policies: ["team": .of(200, errors: 2)])),
        Case(
            testDescription: "errs as often as before", canary: .of(200, policies: ["team": .of(200, errors: 10)]),
            others: .of(1000, policies: ["team": .of(1000, errors: 50)])),
        Case(
            testDescription: "errs a little more, as chance has it",
            canary: .of(200, policies: ["team": .of(200, errors: 13)]),
            others: .of(1000, policies: ["team": .of(1000, errors: 50)]),
            waits: "6.5%, elsewhere 5%, which may be chance"),
        Case(
            testDescription: "errs much more than before", canary: .of(200, policies: ["team": .of(200, errors: 40)]),
            others: .of(1000, policies: ["team": .of(1000, errors: 50)]), bad: "40 of 200, 20%, elsewhere 5%"),
        Case(
            testDescription: "errs on 5%, and little is known of before",
            canary: .of(6060, policies: ["team": .of(6060, errors: 303)]), others: .of(140),
            bad: "303 of 6060, 5%, elsewhere 0%"),
        Case(
            testDescription: "errs on 5%, and next to nothing is known of before",
            canary: .of(6060, policies: ["team": .of(6060, errors: 303)]), others: .of(40), waits: "may be chance"),
        Case(
            testDescription: "a policy that nobody else has", canary: .of(20, policies: ["team": .of(20, errors: 3)]),
            others: .of(1000, policies: [:]), bad: "policy \"team\" errs: 3 of 20, 15%"),
        Case(
            testDescription: "another policy is not what is judged",
            canary: .of(200, policies: ["team": .of(200), "other": .of(200, errors: 100)])),
        Case(
            testDescription: "breaks its budget", canary: .of(200, policies: ["team": .of(200, breaches: 8)]),
            bad: "policy \"team\" breaks its budget: 8 of 200, 4%"),
        Case(testDescription: "5xx", canary: .of(200, failed: 20), bad: "requests are answered with 5xx: 20 of 200"),
        Case(testDescription: "few 5xx", canary: .of(200, failed: 4)),
        Case(testDescription: "5xx everywhere", canary: .of(200, failed: 20), others: .of(1000, failed: 100)),
        Case(testDescription: "all is 5xx everywhere", canary: .of(200, failed: 200), others: .of(1000, failed: 1000)),
        Case(
            testDescription: "everything is 5xx before much is seen", canary: .of(5, failed: 5), others: .none,
            bad: "5 of 5, 100%"),
        Case(
            testDescription: "slow", canary: .of(200, slow: 10),
            bad: "requests are slow, more than 10 ms: 10 of 200, 5%, elsewhere 0%"),
        Case(testDescription: "slow everywhere", canary: .of(200, slow: 10), others: .of(1000, slow: 50)),
        Case(testDescription: "too few to time", canary: .of(99, slow: 50), waits: "99 of 100"),
        Case(testDescription: "nobody to compare times with", canary: .of(200, slow: 50), others: .none),
        Case(
            testDescription: "much worse than few others", canary: .of(100, failed: 40), others: .of(5),
            waits: "40 of 100, 40%, elsewhere 0%, which may be chance"),
        Case(
            testDescription: "a policy that never ran", canary: .of(200, policies: [:]),
            waits: "policy \"team\" has not run yet"),
        Case(
            testDescription: "numbers that no proxy counts to",
            canary: .of(200, policies: ["team": .of(.max, errors: 1 << 63)]),
            others: .of(200, policies: ["team": .of(.max, errors: .max)]), waits: nil),
        Case(
            testDescription: "numbers that no proxy counts to, elsewhere",
            canary: .of(200, policies: ["team": .of(200, errors: 50)]),
            others: .of(200, policies: ["team": .of(.max)]), bad: "50 of 200, 25%, elsewhere 0%"),
        Case(
            testDescription: "more errors than runs, read at different moments",
            canary: .of(200, policies: ["team": .of(2, errors: 3)]), bad: "3 of 3"),
    ]

    @Test("Errors, budgets, 5xx and times, each against the others", arguments: cases)
    func verdicts(_ row: Case) {
        let judge = RolloutJudge(limits: RolloutLimits(), policies: [("team", "team")])
        switch judge.verdict(row.canary, others: row.others) {
        case .good: #expect(row.bad == nil && row.waits == nil)
        case .wait(let reason): #expect(row.waits.map { reason.contains($0) } == true, "\(reason)")
        case .bad(let reason): #expect(row.bad.map { reason.contains($0) } == true, "\(reason)")
        }
    }

    @Test("Limits are the operator's")
    func limits() {
        var limits = RolloutLimits()
        (limits.errors, limits.latency, limits.requests) = (10, 100, 0)
        let judge = RolloutJudge(limits: limits, policies: [("team", "team")])
        #expect(judge.verdict(.none, others: .none) == .good)
        let others = ReportedTraffic.of(1000, policies: ["team": .of(1000)])
        #expect(judge.verdict(.of(200, policies: ["team": .of(200, errors: 18)]), others: others) == .good)
        #expect(judge.verdict(.of(200, policies: ["team": .of(200, errors: 22)]), others: others) != .good)
    }

    @Test("A shadow is judged under its own name, against the policy that it would take the place of")
    func shadow() {
        let judge = RolloutJudge(limits: RolloutLimits(), policies: [("team@next", "team")])
        let others = ReportedTraffic.of(1000, policies: ["team": .of(1000, errors: 50)])
        let same = ReportedTraffic.of(200, policies: ["team": .of(200, errors: 10), "team@next": .of(200, errors: 10)])
        #expect(judge.verdict(same, others: others) == .good)
        let worse = ReportedTraffic.of(
            200, policies: ["team": .of(200, errors: 10), "team@next": .of(200, errors: 90)])
        #expect(judge.verdict(worse, others: others) != .good)
    }
}

@Suite("Shares of proxies")
struct RolloutShareTests {
    @Test(
        "A number, a percentage or conditions, and back",
        arguments: [
            "1", "250", "25%", "0.5%", "100%", "zone=eu-1", "id=a,id=b", "cluster=edge,label.tier=front",
            "region=eu,zone=a,zone=b",
        ])
    func texts(_ text: String) throws {
        #expect(try RolloutShare(text).text == text)
    }

    @Test(
        "What is none is refused",
        arguments: [
            "", "0", "-1", "+1", "1.5", "0%", "101%", "-3%", "nan%", "inf%", "%", "many", "zone", "zone=", "=x",
            "tier=x",
            "label.=x", "zone=a,", ",", "zone=a,2", "99999999999999999999",
        ])
    func mistakes(_ text: String) {
        #expect(throws: RolloutShare.Mistake.self) { try RolloutShare(text) }
    }
}
