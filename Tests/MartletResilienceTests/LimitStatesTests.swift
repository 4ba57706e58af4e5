import Testing

@testable import MartletResilience

@Suite("States that outlive a reload")
struct LimitStatesTests {
    private final class State: Sendable {}

    @Test("What somebody holds is found again, and what nobody holds does not pile up")
    func kept() {
        let states = LimitStates<State>()
        let held = states.state(for: "held") { State() }
        for number in 0..<10_000 { _ = states.state(for: "\(number)") { State() } }
        #expect(states.state(for: "held") { State() } === held)
        #expect(states.count <= 128)
    }

    @Test("Many at once cost no more each than few", .timeLimit(.minutes(1)))
    func many() {
        let states = LimitStates<State>()
        let held = (0..<30_000).map { number in states.state(for: "\(number)") { State() } }
        #expect(states.count == held.count)
    }
}
