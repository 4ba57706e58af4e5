package import MartletConfig
internal import MartletCore
package import MartletFilter
package import MartletXDS

/// `martlet check`: everything a load does short of binding and serving, by the same code.
package enum ConfigCheck {
    package static func run(
        file: String, language: ProcessLanguage = .martlet, registry: FilterRegistry, diagnostics: ConfigDiagnostics
    ) {
        let document = ProcessDocument(language)
        let read = registry.check(
            file: file, adding: { document.whole($0, nil, diagnostics: diagnostics) }, diagnostics: diagnostics)
        build(read, diagnostics)
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
