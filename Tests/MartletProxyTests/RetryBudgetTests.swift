import MartletCore
import MartletProxy
import Testing

@Suite("The retry budget")
struct RetryBudgetTests {
    private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: UInt64((1000 + seconds) * 1e9)) }

    /// Sends `requests` evenly over `seconds`, `parallel` at a time, of which every one wants a retry; returns the retries made.
    private func run(
        _ requests: Int, over seconds: Double, parallel: Int, from start: Double = 0, budget: inout RetryBudget,
        fails: (Int) -> Bool
    ) -> Int {
        var made = 0
        var sent = 0
        while sent < requests {
            let now = at(start + seconds * Double(sent) / Double(requests))
            var running: [Bool] = []
            for _ in 0..<min(parallel, requests - sent) {
                budget.requestStarted(now)
                sent += 1
                if budget.takeRetry(share: 0.2, now) {
                    running.append(fails(made))
                    made += 1
                }
            }
            for failed in running { budget.retryEnded(failed: failed, now) }
        }
        #expect(budget.underWay == 0)
        return made
    }

    @Test("With everything failing, retries are at most a fifth of the requests", arguments: [1, 10, 50])
    func allFail(parallel: Int) {
        var budget = RetryBudget()
        let made = run(2000, over: 30, parallel: parallel, budget: &budget) { _ in true }
        #expect(made <= 400)
        // And the budget is there to be used.
        #expect(made >= 350)
    }

    @Test("Retries that succeed cost nothing, however many")
    func allSucceed() {
        var budget = RetryBudget()
        let made = run(2000, over: 5, parallel: 50, budget: &budget) { _ in false }
        #expect(made == 2000)
    }

    @Test("Every second retry fails: the failed ones stay within the share")
    func halfFail() {
        var budget = RetryBudget()
        let made = run(2000, over: 8, parallel: 10, budget: &budget) { $0 % 2 == 0 }
        #expect((750...830).contains(made))
    }

    @Test("A few retries are allowed of few requests; old failures are forgotten after ten seconds")
    func fewAndOld() {
        var budget = RetryBudget()
        let first = run(10, over: 1, parallel: 1, budget: &budget) { _ in true }
        let second = run(3, over: 1, parallel: 1, from: 5, budget: &budget) { _ in true }
        let third = run(3, over: 1, parallel: 1, from: 30, budget: &budget) { _ in true }
        #expect([first, second, third] == [RetryBudget.minimum, 0, 3])
    }

    @Test("While nothing is known of how retries end, no more than fifty are under way")
    func burst() {
        var budget = RetryBudget()
        for _ in 0..<200 { budget.requestStarted(at(0)) }
        var made = 0
        while made < 200, budget.takeRetry(share: 0.2, at(0)) { made += 1 }
        #expect((RetryBudget.burst...RetryBudget.burst + 40).contains(made))
    }

    @Test("A hedge is paid for however it ends")
    func hedges() {
        var budget = RetryBudget()
        for _ in 0..<100 { budget.requestStarted(at(0)) }
        var made = 0
        while made < 100, budget.takeHedge(share: 0.2, at(0)) { made += 1 }
        #expect(made == 20)
        #expect(budget.underWay == 0)
    }

    @Test("A retry that is given up leaves no trace")
    func cancelled() {
        var budget = RetryBudget()
        for _ in 0..<100 {
            budget.requestStarted(at(0))
            let isAllowed = budget.takeRetry(share: 0.2, at(0))
            #expect(isAllowed)
            budget.retryCancelled()
        }
        #expect(budget.underWay == 0)
    }
}
