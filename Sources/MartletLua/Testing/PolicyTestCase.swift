package import MartletConfig
internal import MartletCore

/// One test: a policy with its parameters, the requests sent through it, and what must come of each.
package struct PolicyTestCase: Sendable {
    /// One request, sent once or several times; the expectation holds for the last.
    struct Step: Sendable {
        var request: ScriptedRequest
        var upstream: ScriptedResponse
        var calls: [ScriptedCall]
        /// Time that passes before.
        var advance: Nanoseconds
        var times: Int
        var expect: PolicyExpectation?
    }

    package let name: String
    package let mark: ConfigMark
    /// Parameters of the policy.
    let config: ConfigNode?
    /// When the test begins.
    let now: WallClock
    /// What the policy's shared stores hold when the test begins.
    let shared: [KeyedValue]
    let steps: [Step]
}

extension PolicyTestCase {
    /// - Parameter config: what tests without parameters of their own run with.
    init(_ section: ConfigSection, config standard: ConfigNode?) {
        name = section.string(required: "name")
        mark = section.place.mark
        config = section.raw("config") ?? standard
        now = section.value("now", .time) ?? WallClock(year: 2026)
        shared = KeyedValue.all(under: "shared", in: section)
        guard section.has("requests") else {
            let times = section.int("repeat", default: 1, in: 1...100_000)
            steps = [Step(section, times: times, followsOthers: false)]
            if !section.has("expect") { section.missing("expect", hint: "say what must come of the request") }
            return
        }
        for key in ["request", "upstream", "calls", "repeat", "expect"] where section.has(key) {
            section.error(at: key, "\"\(key)\" and \"requests\" exclude each other", hint: "move it into the list")
            _ = section.raw(key)
        }
        let items = section.sections("requests")
        steps = items.map { Step($0, times: 1, followsOthers: true) }
        if !items.isEmpty, !items.contains(where: { $0.has("expect") }) {
            section.error(at: "requests", "none of the requests has an \"expect\"")
        }
    }
}

extension PolicyTestCase.Step {
    init(_ section: ConfigSection, times: Int, followsOthers: Bool) {
        request = section.section("request").map { ScriptedRequest($0) } ?? ScriptedRequest()
        upstream = section.section("upstream").map { ScriptedResponse($0) } ?? ScriptedResponse()
        calls = section.sections("calls").map { ScriptedCall($0) }
        advance = followsOthers ? Nanoseconds(section.duration("advance", default: .zero)) : .zero
        self.times = times
        expect = section.section("expect").map { PolicyExpectation($0) }
    }
}
