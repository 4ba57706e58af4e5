package import MartletConfig
internal import MartletCore
package import MartletFilter

/// `martlet check`: everything a load does short of binding and serving, by the same code.
package enum ConfigCheck {
    package static func run(file: String, registry: FilterRegistry, diagnostics: ConfigDiagnostics) {
        let (config, registry) = registry.check(file: file, diagnostics: diagnostics)
        guard let config else { return }
        _ = SnapshotBuilder(registry: registry, workers: 1).build(
            config, previous: nil, sinks: LogSinks(), diagnostics: diagnostics)
    }
}
