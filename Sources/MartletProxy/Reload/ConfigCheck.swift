package import MartletConfig
internal import MartletCore
package import MartletFilter

/// `martlet check`: everything a load does short of binding and serving, by the same code.
package enum ConfigCheck {
    package static func run(file: String, registry: FilterRegistry, diagnostics: ConfigDiagnostics) {
        build(registry.check(file: file, diagnostics: diagnostics), diagnostics)
    }

    /// As `run(file:)`, of what was put together from elsewhere: `listeners`, `clusters` and `policies`.
    package static func run(root: ConfigNode, registry: FilterRegistry, diagnostics: ConfigDiagnostics) {
        build(registry.check(root: root, diagnostics: diagnostics), diagnostics)
    }

    private static func build(
        _ read: (config: ProxyConfig?, registry: FilterRegistry), _ diagnostics: ConfigDiagnostics
    ) {
        let (config, registry) = read
        guard let config else { return }
        _ = SnapshotBuilder(registry: registry, workers: 1).build(
            config, previous: nil, sinks: LogSinks(), diagnostics: diagnostics)
    }
}
