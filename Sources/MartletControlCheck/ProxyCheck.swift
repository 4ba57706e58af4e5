internal import MartletBuiltIn
package import MartletConfig
internal import MartletControl
internal import MartletLua
internal import MartletProxy
internal import MartletRouting

// MartletControlCheck is where the control plane checks configurations by the code of the proxies that will load them. Nothing
// else of the control plane links the data plane.

/// `martlet check` and `martlet test`, of what is handed in.
package struct ProxyCheck: MeshChecker {
    package init() {}

    package func check(_ root: ConfigNode, diagnostics: ConfigDiagnostics) {
        ConfigCheck.run(root: root, registry: BuiltInFilters.registry, diagnostics: diagnostics)
    }

    package func test(_ path: String, files: [String: [UInt8]], diagnostics: ConfigDiagnostics) {
        let report = PolicyTestReport(path: path, supplied: files, router: RouterKind())
        for error in report.errors { diagnostics.add(error) }
        for entry in report.entries where !entry.passed {
            diagnostics.add(ConfigError(mark: entry.mark, path: "", message: entry.text))
        }
    }
}
