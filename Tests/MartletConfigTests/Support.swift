internal import MartletConfig
internal import Testing

/// The names a chain may use in these tests.
let knownFilters: Set<String> = ["router", "headers", "lua", "cors", "jwt", "rate_limit", "retry"]

/// What decoding a text came to.
struct Decoded {
    let config: ProxyConfig?
    let errors: [String]
    let warnings: [String]

    init(_ text: String, file: String = "m.yaml") {
        let diagnostics = ConfigDiagnostics()
        config = ProxyConfig.parse(text: text, file: file, filters: knownFilters, diagnostics: diagnostics)
        errors = diagnostics.errors.map(\.description)
        warnings = diagnostics.warnings.map(\.description)
    }
}

/// A whole configuration around some part of one.
enum Around {
    /// `lines` in the first route's place; the route's first line is line 5.
    static func route(_ lines: String) -> String {
        """
        listeners:
        - name: public
          address: 127.0.0.1:8080
          filters: [router]
          routes:
        \(lines.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n"))
        clusters:
        - name: api
          endpoints: ["10.0.0.1:80"]
        - name: web
          endpoints: ["10.0.0.2:80"]
        """
    }

    /// `lines` as the only cluster, whose name must be `api`; its first line is line 8.
    static func cluster(_ lines: String) -> String {
        """
        listeners:
        - name: public
          address: 127.0.0.1:8080
          filters: [router]
          routes: [{ match: { path: { prefix: / } }, cluster: api }]

        clusters:
        \(lines)
        """
    }

    /// A listener's keys after its name and address; the first is line 4.
    static func listener(_ lines: String) -> String {
        """
        listeners:
        - name: public
          address: 127.0.0.1:8080
        \(lines.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n"))
        clusters:
        - name: api
          endpoints: ["10.0.0.1:80"]
        policies:
        - name: stamp
          inline: "function on_request(handle) end"
        """
    }

    /// Keys of the document beside a listener; the first is line 1.
    static func document(_ lines: String) -> String {
        """
        \(lines)
        listeners:
        - name: public
          address: 127.0.0.1:8080
          filters: [router]
          routes: [{ match: { path: { prefix: / } }, cluster: api }]
        clusters:
        - name: api
          endpoints: ["10.0.0.1:80"]
        """
    }
}
