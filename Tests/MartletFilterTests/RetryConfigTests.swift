import MartletConfig
import MartletCore
import MartletFilter
import MartletResilience
import MartletRouting
import Testing

@Suite("The settings of retry")
struct RetryConfigTests {
    /// The mistakes in a chain with this `retry`, without their places in the file.
    private func mistakes(_ retry: String) -> [String] {
        let text = """
            listeners:
            - name: public
              address: 127.0.0.1:8080
              filters: [{ retry: \(retry) }, router]
              routes: [{ match: {}, respond: { status: 200 } }]
            """
        let registry = FilterRegistry([RouterKind(), RetryKind()])
        let diagnostics = ConfigDiagnostics()
        guard
            let config = ProxyConfig.parse(
                text: text, file: "m.yaml", filters: Set(registry.names), diagnostics: diagnostics)
        else { return diagnostics.errors.map(\.description) }
        let load = LoadContext(config: config, workers: 1)
        for listener in config.listeners {
            _ = registry.compileChain(of: listener, clusterIndex: { _ in 0 }, load: load, diagnostics: diagnostics)
        }
        return diagnostics.errors.map { String($0.description.split(separator: "error: ", maxSplits: 1).last ?? "") }
    }

    @Test(
        "Mistakes say where they are and how to mend them",
        arguments: [
            ("{ on: [gateway-eror] }", "did you mean \"gateway-error\"?"),
            ("{ on: [] }", "retry.on: an empty list retries nothing (remove the filter, or write retry: off)"),
            ("{ attempts: 0 }", "retry.attempts: 0 is out of bounds (expected 1 to 16)"),
            ("{ budget: 120% }", "retry.budget: 120% is out of bounds"),
            ("{ budget: 0.2 }", "write: 0.2%"),
            ("{ on: [retriable-status-codes] }", "without status_codes (write status_codes: [429])"),
            ("{ status_codes: [429] }", "has no effect without \"retriable-status-codes\""),
            ("{ on: [retriable-headers] }", "without headers (write headers: [{ name: x-retry"),
            ("{ headers: [{ name: x-a }] }", "has no effect without \"retriable-headers\""),
            ("{ on: [retriable-headers], headers: [{ exact: a }] }", "retry.headers[0]: \"name\" is required"),
            ("{ on: [retriable-status-codes], status_codes: [200] }", "200 is out of bounds"),
            (
                "{ hedge_on_per_try_timeout: true }",
                "has no effect without per_try_timeout (write per_try_timeout: 250ms)"
            ),
            ("{ backoff: { base: 100ms, max: 50ms } }", "retry.backoff.max: is below \"base\""),
            ("{ backof: { base: 1ms } }", "did you mean \"backoff\"?"),
            ("{ methods: [post] }", "retry.methods[0]"),
        ])
    func mistakes(_ retry: String, _ message: String) {
        let errors = mistakes(retry)
        #expect(errors.contains { $0.contains(message) }, "\(errors)")
    }

    @Test(
        "What needs no mending", arguments: ["{}", "{ on: 5xx, budget: off }", "{ attempts: 1, max_retry_after: 0 }"])
    func fine(_ retry: String) { #expect(mistakes(retry) == []) }

    @Test("The wait before a retry is below a bound that grows to a maximum")
    func backoff() {
        let backoff = RetryPolicy.Backoff(base: .milliseconds(25), max: .milliseconds(250))
        let bounds = (1...5).map { backoff.wait(before: $0, random: 0.999_999_999).milliseconds.rounded() }
        #expect(bounds == [25, 75, 175, 250, 250])
        #expect(backoff.wait(before: 1, random: 0) == .zero)
        #expect(backoff.wait(before: .max, random: 0.5) == .milliseconds(125))
    }
}
