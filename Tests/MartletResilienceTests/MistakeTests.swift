import MartletConfig
import MartletFilter
import MartletResilience
import MartletRouting
import Testing

@Suite("Mistakes in limits")
struct MistakeTests {
    private static let registry = FilterRegistry([
        RouterKind(), RateLimitKind(), ConcurrencyLimitKind(), AdaptiveConcurrencyKind(),
    ])

    /// What is said about a filter's settings, and a route's, without file and path; the filter is on line 5.
    private func errors(_ filter: String, route: String = "{}") -> [String] {
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters:
                  - \(filter)
                  - router
                routes: [{ match: {}, respond: { status: 200 }, filters: \(route) }]
            """
        let diagnostics = ConfigDiagnostics()
        let config = ProxyConfig.parse(
            text: text, file: "t.yaml", filters: Set(Self.registry.names), diagnostics: diagnostics)
        if let config, let listener = config.listeners.first {
            let load = LoadContext(config: config, workers: 2)
            let chain = Self.registry.compileChain(
                of: listener, clusterIndex: { _ in nil }, load: load, diagnostics: diagnostics)
            #expect(chain != nil || diagnostics.hasErrors)
        }
        return diagnostics.errors.map { error in
            "\(error.mark.line): \(error.message)" + (error.hint.map { " (\($0))" } ?? "")
        }
    }

    @Test(
        "Each with its line and what to write instead",
        arguments: [
            ("rate_limit: {}", "5: \"requests\" is required (expected a whole number)"),
            ("rate_limit: { requests: 0 }", "5: 0 is out of bounds (expected 1 to 1000000000)"),
            ("rate_limit: { requests: 5, per: 1 }", "5: \"1\" has no unit (write 1s or 1ms)"),
            ("rate_limit: { requests: 2000000 }", "5: is more than a million a second (leave the limit out)"),
            (
                "rate_limit: { requests: 1, per: 1d, burst: 1000 }",
                "5: an empty bucket would take more than a year to fill (lower burst, or per)"
            ),
            (
                "rate_limit: { requests: 1, key: client }",
                "5: \"client\" is no key (did you mean \"client_ip\"? valid: client_ip, header:NAME, jwt:CLAIM, api_key, basic_auth, client_cert, route, cluster, query:NAME or none)"
            ),
            (
                "rate_limit: { requests: 1, key: heder:x }",
                "5: \"heder:x\" is no key (did you mean \"header\"? valid: client_ip, header:NAME, jwt:CLAIM, api_key, basic_auth, client_cert, route, cluster, query:NAME or none)"
            ),
            ("rate_limit: { requests: 1, key: header }", "5: \"header\" needs a name (write: header:NAME)"),
            ("rate_limit: { requests: 1, key: \"header:a b\" }", "5: \"a b\" is not a header's name"),
            ("rate_limit: { requests: 1, key: route:x }", "5: \"route\" takes no name (write: route)"),
            ("rate_limit: { requests: 1, key: [none, route] }", "5: \"none\" stands alone (remove it, or the others)"),
            ("rate_limit: { requests: 1, key: [route, route] }", "5: names a part twice (remove one)"),
            ("rate_limit: { requests: 1, key: [] }", "5: an empty list tells no requests apart (write: none)"),
            ("rate_limit: { requests: 1, scope: thread }", "5: \"thread\" is not known here (valid: process, worker)"),
            ("rate_limit: { requests: 1, status: 200 }", "5: 200 is out of bounds (expected 400 to 599)"),
            (
                "rate_limit: { requests: 1, name: 'a \"b' }",
                "5: \"a \"b\" is no name of a limit (up to 64 letters, digits and -_.)"
            ),
            ("rate_limit: { requests: 1, ipv6_prefix: 129 }", "5: 129 is out of bounds (expected 1 to 128)"),
            ("rate_limit: { request: 1 }", "5: unknown key \"request\" (did you mean \"requests\"?)"),
            (
                "rate_limit: { requests: 1, headers: none }",
                "5: \"none\" is not known here (valid: separate, structured, both, off)"
            ),
            ("concurrency_limit: {}", "5: \"max\" is required (expected a whole number)"),
            ("concurrency_limit: { max: 0 }", "5: 0 is out of bounds (expected 1 to 10000000)"),
            ("concurrency_limit: { max: 1, queue: { size: 0 } }", "5: 0 is out of bounds (expected 1 to 100000)"),
            ("concurrency_limit: { max: 1, queue: { timeout: 2h } }", "5: 2h is out of bounds (expected 1ms to 1h)"),
            (
                "concurrency_limit: { max: 1, queue: 5 }",
                "5: expected a mapping, found \"5\" (write keys as `name: value`)"
            ),
            (
                "adaptive_concurrency: { min_limit: 20, max_limit: 10 }",
                "5: min_limit 20 is above max_limit 10 (lower it)"
            ),
            (
                "adaptive_concurrency: { percentile: 50 }",
                "5: \"50\" is not a percentage such as 20% or 0.5% (write: 50%)"
            ),
            ("adaptive_concurrency: { min_rtt: { samples: 0 } }", "5: 0 is out of bounds (expected 1 to 1024)"),
        ])
    func table(filter: String, error: String) {
        #expect(errors(filter) == [error])
    }

    @Test(
        "Those of routes too",
        arguments: [
            ("{ rate_limit: { requests: 0 } }", "7: 0 is out of bounds (expected 1 to 1000000000)"),
            ("{ rate_limit: { headers: off } }", "7: unknown key \"headers\""),
            ("{ concurrency_limit: { max: 1 } }", "7: filter \"concurrency_limit\" is not in this listener's chain"),
        ])
    func routes(route: String, error: String) {
        let said = errors("rate_limit: { requests: 1 }", route: route)
        #expect(said.count == 1)
        #expect(said.first?.hasPrefix(error) == true, "\(said)")
    }

    @Test(
        "And what is right is not refused",
        arguments: [
            ("rate_limit: { requests: 1 }", "{ rate_limit: { burst: 5 } }"),
            ("rate_limit: { requests: 1, key: [client_ip, \"header:x-a\", \"jwt:a.b\"] }", "{ rate_limit: off }"),
            ("concurrency_limit: { max: 1, queue: {} }", "{ concurrency_limit: { queue: off } }"),
            ("adaptive_concurrency: {}", "{ adaptive_concurrency: { min_rtt: { buffer: 50% } } }"),
            ("adaptive_concurrency", "{}"),
        ])
    func right(filter: String, route: String) {
        #expect(errors(filter, route: route) == [])
    }
}
