import MartletConfig
import MartletFilter
import Testing

@testable import MartletObserve
@testable import MartletTransform

@Suite("Mistakes, with their places and hints")
struct MistakeTests {
    @Test(
        "headers",
        arguments: [
            ("request: {}", "1:1: error: edits nothing (write request: { set: { x-name: value } }, or response)"),
            ("request: { set: { x-a: '%REQ%' } }", "1:24: error: request.set.x-a: %REQ% names no header"),
            (
                "request: { set: { x-a: '50%' } }",
                "1:24: error: request.set.x-a: the operator % is not closed (write %% for a percent sign)"
            ),
            ("request: { add: { host: a } }", "host can only be set"),
            ("request: { set: { te: a } }", "te cannot be edited"),
            ("request: { set: { host: 'a b' } }", "\"a b\" is no host"),
            ("request: { set: { 'a b': c } }", "is not a header's name"),
            ("request: { cookies: { set: { a: 'b;c' } } }", "cannot be a cookie's value"),
            ("request: { cookies: { remove: ['a b'] } }", "is not a cookie's name"),
            ("request: { cookies: {} }", "edits nothing"),
            ("request: { query: {} }", "edits nothing (write set, add or remove)"),
            ("response: { cookies: { set: { a: { value: x, same_site: none } } } }", "write secure: true"),
            (
                "response: { cookies: { set: { a: { value: x, path: '/;x' } } } }",
                "must not hold spaces, commas or semicolons"
            ),
            ("response: { cookies: { set: { a: { path: / } } } }", "\"value\" is required"),
            ("response: { query: { remove: [a] }, set: { a: b } }", "unknown key \"query\""),
            ("request: { set: { a: b, A: c } }", "\"A\" twice"),
            ("request: { sett: { a: b } }", "did you mean \"set\"?"),
        ])
    func headers(text: String, message: String) {
        let written = Written(text)
        _ = HeadersConfig(written.section)
        written.section.finish()
        check(written.errors, message)
    }

    @Test(
        "tracing",
        arguments: [
            ("sampling: 5", "\"5\" is not a percentage"), ("sampling: 101%", "out of bounds"),
            ("propagation: [w3c]", "valid: tracecontext, b3, b3multi"),
            ("propagation: []\nsampling: 1%\nupstream_span: false", "an empty list passes nothing on"),
            ("otlp: {}", "\"cluster\" is required"),
            ("otlp: { cluster: otl }", "1:18: error: otlp.cluster: no cluster \"otl\" (clusters: otel, under_score)"),
            ("otlp: { cluster: otel, batch: 4096 }", "the queue is smaller than a batch (max_queue: 4096 or more)"),
            ("otlp: { cluster: otel, path: v1 }", "does not begin with a slash"),
            ("service_name: a", "has no meaning where nothing is exported"),
            ("tags: { a: '%X%' }", "unknown operator %X%"), ("name: '%REQ(%'", "is not closed"),
            ("force_header: { value: x }", "\"name\" is required"), ("force_header: ':path'", "pseudo-headers"),
            ("samplin: 1%", "did you mean \"sampling\"?"),
        ])
    func tracing(text: String, message: String) throws {
        let written = Written(text)
        let proxy = try #require(
            ProxyConfig.parse(
                text: """
                    listeners: [{ name: l, address: "127.0.0.1:0", filters: [router], routes: [{ match: {}, cluster: otel }] }]
                    clusters: [{ name: otel, endpoints: ["127.0.0.1:1"] }, { name: under_score, endpoints: ["127.0.0.1:2"] }]
                    """, file: "t.yaml", filters: ["router"], diagnostics: ConfigDiagnostics()))
        _ = TracingConfig(written.section, LoadContext(config: proxy, workers: 1))
        written.section.finish()
        check(written.errors, message)
    }

    @Test(
        "local replies and access logs",
        arguments: [
            ("local_replies: [{}]", "changes nothing (write status, headers, text or json)"),
            ("local_replies: [{ match: { status: 99 }, text: x }]", "\"99\" is not a status"),
            (
                "local_replies: [{ text: x, headers: { content-type: y } }]",
                "content-type cannot be set here (write content_type)"
            ),
            ("local_replies: [{ json: text }]", "expected fields"),
            ("local_replies: [{ json: { a: '%NO%' } }]", "unknown operator %NO%"),
            ("local_replies: [{ json: { a: b }, content_type: text/html }]", "which is not there"),
            ("access_log: { format: { json: {} } }", "expected fields"),
            ("access_log: { format: {} }", "one of \"text\", \"json\" is required"),
            ("access_log: { filter: {} }", "asks for nothing"),
            ("access_log: { filter: { status: {} } }", "has no bounds"),
            ("access_log: { filter: { status: { min: 500, max: 400 } } }", "is above max"),
            ("access_log: { filter: { any: [] } }", "decides nothing"),
            ("access_log: { filter: { percent: 5 } }", "is not a percentage"),
            ("access_log: [{ format: jsn }]", "access_log[0].format: \"jsn\" is not a format"),
            ("metrics: { exemplar: true }", "did you mean \"exemplars\"?"),
        ])
    func document(text: String, message: String) {
        let diagnostics = ConfigDiagnostics()
        _ = ProxyConfig.parse(
            text: """
                \(text)
                listeners: [{ name: l, address: "127.0.0.1:0", filters: [router], routes: [{ match: {}, respond: { status: 200 } }] }]
                """, file: "t.yaml", filters: ["router"], diagnostics: diagnostics)
        let errors = diagnostics.errors.map(\.description)
        check(errors, message)
    }

    @Test(
        "grpc_stats",
        arguments: [
            ("methods: [a.A]", "\"a.A\" is no method (write package.Service/Method)"),
            ("methods: [/a.A/m]", "is no method"), ("max_methods: 0", "expected 1 to 10000"),
            ("{ methods: [a.A/m], max_methods: 2 }", "max_methods: has no effect beside \"methods\""),
            ("method: [a.A/m]", "did you mean \"methods\"?"),
        ])
    func grpcStats(text: String, message: String) {
        let written = Written(text)
        _ = GRPCStatsConfig(written.section)
        written.section.finish()
        check(written.errors, message)
    }

    /// A mistake in one key makes no other unknown.
    private func check(_ errors: [String], _ message: String) {
        #expect(errors.contains { $0.contains(message) }, "\(errors)")
        let isUnknown = message.contains("unknown key") || message.contains("did you mean")
        #expect(isUnknown || !errors.contains { $0.contains("unknown key") }, "\(errors)")
    }
}
