package import MartletConfig

/// Brings the filter kinds of native modules.
package protocol ModuleSource: Sendable {
    /// The kinds of one module, loaded from its file as it is now unless that was loaded before. Nil after an error was
    /// reported. Called on the loader's thread.
    func kinds(of module: ModuleConfig, diagnostics: ConfigDiagnostics) -> [any FilterKind]?
    /// How many versions of each module the process holds, for metrics. Any thread.
    var versions: [(module: String, count: Int)] { get }
}

extension FilterRegistry {
    /// The same with a source of native modules.
    package func taking(from modules: any ModuleSource) -> FilterRegistry {
        FilterRegistry(Array(kinds.values), modules: modules)
    }

    /// Reads a configuration file, and loads its modules on the way. The registry has their filters as well; the
    /// configuration is nil after errors were reported.
    /// - Parameter adding: puts what came from elsewhere beside what the file says.
    package func load(
        file: String, adding: ((ConfigNode) -> ConfigNode)? = nil, diagnostics: ConfigDiagnostics
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        loading { names, modules in
            ProxyConfig.load(file: file, filters: names, modules: modules, adding: adding, diagnostics: diagnostics)
        }
    }

    /// As `load(file:)`, for telling all that is wrong: in a file with mistakes elsewhere the filters tell theirs too.
    package func check(
        file: String, adding: ((ConfigNode) -> ConfigNode)? = nil, diagnostics: ConfigDiagnostics
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        checked(
            loading { names, modules in
                ProxyConfig.decode(
                    file: file, filters: names, modules: modules, adding: adding, diagnostics: diagnostics)
            }, diagnostics)
    }

    /// As `check(file:)`, of what was put together from elsewhere.
    package func check(
        root: ConfigNode, diagnostics: ConfigDiagnostics
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        checked(
            loading { names, modules in
                ProxyConfig.decode(root: root, filters: names, modules: modules, diagnostics: diagnostics)
            }, diagnostics)
    }

    private func checked(
        _ loaded: (config: ProxyConfig?, registry: FilterRegistry), _ diagnostics: ConfigDiagnostics
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        let (read, registry) = loaded
        guard let config = read, diagnostics.hasErrors else { return (read, registry) }
        registry.decodeFilters(of: config, diagnostics: diagnostics)
        return (nil, registry)
    }

    /// Has every filter read its settings, for what they report and for the files that they read.
    package func decodeFilters(of config: ProxyConfig, diagnostics: ConfigDiagnostics) {
        let load = LoadContext(config: config, workers: 1)
        for listener in config.listeners {
            _ = compileChain(of: listener, clusterIndex: { _ in nil }, load: load, diagnostics: diagnostics)
        }
    }

    /// As `load(file:)`, for bytes; relative paths in them are relative to the folder of `file`.
    package func load(
        bytes: [UInt8], file: String, diagnostics: ConfigDiagnostics
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        loading { names, modules in
            ProxyConfig.parse(bytes: bytes, file: file, filters: names, modules: modules, diagnostics: diagnostics)
        }
    }

    private func loading(
        _ read: (Set<String>, @escaping ProxyConfig.ModuleLoading) -> ProxyConfig?
    ) -> (config: ProxyConfig?, registry: FilterRegistry) {
        var registry = self
        let config = read(Set(names)) { modules, diagnostics in
            registry.add(modules, diagnostics)
            return Set(registry.names)
        }
        return (config, registry)
    }

    private mutating func add(_ configs: [ModuleConfig], _ diagnostics: ConfigDiagnostics) {
        var owners: [String: String] = [:]
        for config in configs where !config.path.isEmpty {
            guard let modules else {
                diagnostics.error(at: config.place, "this program loads no native modules")
                continue
            }
            for kind in modules.kinds(of: config, diagnostics: diagnostics) ?? [] {
                guard kinds[kind.name] == nil else {
                    let owner = owners[kind.name].map { "module \"\($0)\" brings it too" } ?? "it is built in"
                    diagnostics.error(
                        at: config.pathPlace,
                        "filter \"\(kind.name)\" of module \"\(config.name)\" has a name that is taken",
                        hint: "\(owner); give the module's filter another name")
                    continue
                }
                owners[kind.name] = config.name
                add(kind)
            }
        }
    }
}
