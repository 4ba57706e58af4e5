import MartletConfig
import MartletCore
import MartletLua
import Testing

@Suite("tests.yaml is decoded strictly")
struct PolicyTestFileTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        let text: String
        let errors: [String]
        var testDescription: String { errors.first ?? text }

        init(_ text: String, _ errors: String...) {
            self.text = text
            self.errors = errors
        }
    }

    static let mistakes: [Mistake] = [
        Mistake("", "1:1: error: the file is empty (write tests: [{ name: ..., expect: ... }])"),
        Mistake(
            "policy: policy.lua",
            "1:1: error: \"tests\" is required (a list of tests, each with name, request and expect)"),
        Mistake("tests: []", "1:8: error: tests: there are no tests"),
        Mistake(
            "tests: [{ name: a, expect: {} }]\nconfg: {}",
            "2:1: error: confg: unknown key \"confg\" (did you mean \"config\"?)"),
        Mistake(
            "tests: [{ name: a }]", "1:9: error: tests[0]: \"expect\" is required (say what must come of the request)"),
        Mistake(
            "tests: [{ name: a, expect: {} }, { name: a, expect: {} }]",
            "1:34: error: tests: two tests are called \"a\" (first on line 1)"),
        Mistake(
            "tests:\n- name: a\n  requst: {}\n  expect: { respons: {} }",
            "3:3: error: tests[0].requst: unknown key \"requst\" (did you mean \"request\"?)",
            "4:13: error: tests[0].expect.respons: unknown key \"respons\" (did you mean \"response\"?)"),
        Mistake(
            "tests:\n- name: a\n  request: { methd: GET, chunks: [a], body: b, client: 10.0.0.1:80 }\n  expect: {}",
            "3:14: error: tests[0].request.methd: unknown key \"methd\" (did you mean \"method\"?)",
            "3:45: error: tests[0].request.body: \"chunks\" and \"body\" exclude each other (keep one)",
            "3:56: error: tests[0].request.client: \"10.0.0.1:80\" is not an IP address (without a port: 10.0.0.1)"),
        Mistake(
            "tests:\n- name: a\n  request: { method: get, path: x, headers: { host: h } }\n  expect: {}",
            "3:22: error: tests[0].request.method: \"get\" is not a method: case counts (write: GET)",
            "3:33: error: tests[0].request.path: \"x\" does not begin with a slash (write: /x)",
            "3:45: error: tests[0].request.headers: the host is a key of the request (write `host: name` beside `headers`)"
        ),
        Mistake(
            "tests:\n- name: a\n  upstream: { status: 99 }\n  calls: [{ cluster: c, fail: timeot }, { reply: {} }]\n  expect: {}",
            "3:23: error: tests[0].upstream.status: 99 is out of bounds (expected 200 to 599)",
            "4:31: error: tests[0].calls[0].fail: \"timeot\" is not how a call fails (did you mean \"timeout\"?)",
            "4:41: error: tests[0].calls[1]: \"cluster\" is required (expected a string)"),
        Mistake(
            "tests:\n- name: a\n  expect: { response: { headers: { ':status': 200 } }, metrics: { x: many } }",
            "3:36: error: tests[0].expect.response.headers.:status: \":status\" is not a header's name (write method, path, host or status beside `headers`)",
            "3:70: error: tests[0].expect.metrics.x: \"many\" is not a number"),
        Mistake(
            "tests:\n- name: a\n  repeat: 2\n  requests: [{ request: {} }]",
            "3:11: error: tests[0].repeat: \"repeat\" and \"requests\" exclude each other (move it into the list)",
            "4:13: error: tests[0].requests: none of the requests has an \"expect\""),
        Mistake(
            "tests: [{ name: a, now: 2026-02-29T00:00:00Z, advance: 1s, expect: {} }]",
            "1:25: error: tests[0].now: \"2026-02-29T00:00:00Z\" is not a time in UTC such as 2026-01-31T12:00:00Z",
            "1:47: error: tests[0].advance: unknown key \"advance\" (valid keys: calls, config, expect, name, now, repeat, request, shared, upstream)"
        ),
        Mistake(
            "policy: other.lua\nbudget: { instructions: 1 }\non_error: explode\ntests: [{ name: a, expect: {} }]",
            "1:9: error: policy: cannot read \"other.lua\": No such file or directory",
            "2:25: error: budget.instructions: 1 is out of bounds (expected 1000 to 1000000000)",
            "3:11: error: on_error: \"explode\" is not known here (valid: deny, skip)"),
        Mistake(
            "routes: [{ match: { path: { prefx: / } }, cluster: c }]\ntests: [{ name: a, expect: {} }]",
            "1:29: error: routes[0].match.path.prefx: unknown key \"prefx\" (did you mean \"prefix\"?)"),
    ]

    @Test("Every mistake is told with its place and what to write instead", arguments: mistakes)
    func mistake(_ mistake: Mistake) throws {
        let folder = try PolicyTestFolder(policy: "function on_request() end", tests: mistake.text)
        let report = folder.run()
        let errors = report.errors.map { folder.short($0.description) }
        #expect(errors == mistake.errors.map { "tests.yaml:" + $0 })
        #expect(report.entries.isEmpty)
    }

    @Test("A file that is not there says so")
    func missing() {
        let report = PolicyTestReport(path: "/nowhere/tests.yaml")
        #expect(
            report.errors.map(\.description) == [
                "/nowhere/tests.yaml:1:1: error: cannot read the file: No such file or directory"
            ])
    }
}
