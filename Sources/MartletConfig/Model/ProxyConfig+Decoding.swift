extension ProxyConfig {
    /// Loads the modules of a configuration, in the middle of its decoding; answers with the names of their filters.
    package typealias ModuleLoading = ([ModuleConfig], ConfigDiagnostics) -> Set<String>

    /// Reads and checks a file. `filters` are the names a chain may use beside those that modules bring. Nil when there are
    /// errors, which are then in `diagnostics`; warnings may be there in either case.
    package static func load(
        file: String, filters: Set<String>, modules: ModuleLoading? = nil, adding: ((ConfigNode) -> ConfigNode)? = nil,
        diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        let config = decode(file: file, filters: filters, modules: modules, adding: adding, diagnostics: diagnostics)
        return diagnostics.hasErrors ? nil : config
    }

    /// As `load`, for text. Relative paths in it are relative to the folder of `file`.
    package static func parse(
        text: String, file: String, filters: Set<String>, diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        parse(bytes: Array(text.utf8), file: file, filters: filters, diagnostics: diagnostics)
    }

    /// As `load`, for any bytes.
    package static func parse(
        bytes: [UInt8], file: String, filters: Set<String>, modules: ModuleLoading? = nil,
        diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        let config = decode(bytes: bytes, file: file, filters: filters, modules: modules, diagnostics: diagnostics)
        return diagnostics.hasErrors ? nil : config
    }

    /// As `load`, but a configuration with errors comes back as well, as far as it could be read: its filters can then
    /// be made to report theirs. Never to be run without asking `diagnostics.hasErrors`.
    package static func decode(
        file: String, filters: Set<String>, modules: ModuleLoading? = nil, adding: ((ConfigNode) -> ConfigNode)? = nil,
        diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        do {
            let bytes = try diagnostics.files.read(file, atMost: ConfigFile.maxConfiguration)
            return decode(
                bytes: bytes, file: file, filters: filters, modules: modules, adding: adding, diagnostics: diagnostics)
        } catch {
            let mark = ConfigMark(file: file, line: 1, column: 1)
            diagnostics.add(ConfigError(mark: mark, path: "", message: "cannot read the file: \(error.reason)"))
            return nil
        }
    }

    package static func decode(
        bytes: [UInt8], file: String, filters: Set<String>, modules: ModuleLoading? = nil,
        adding: ((ConfigNode) -> ConfigNode)? = nil, diagnostics: ConfigDiagnostics
    ) -> ProxyConfig? {
        guard let root = YAMLDocument.read(bytes, file: file, diagnostics: diagnostics) else { return nil }
        if root.isNull {
            diagnostics.error(at: root.place, "the file is empty", hint: "a proxy needs \"listeners\" and \"clusters\"")
            return nil
        }
        return decode(
            root: adding?(root) ?? root, filters: filters, modules: modules, diagnostics: diagnostics)
    }

    /// As `decode`, of what was read or put together before. Relative paths are relative to the file that `root` names.
    package static func decode(
        root: ConfigNode, filters: Set<String>, modules: ModuleLoading? = nil, diagnostics: ConfigDiagnostics
    ) -> ProxyConfig {
        let section = ConfigSection(root, diagnostics: diagnostics)
        let config = ProxyConfig(section, filters: filters, modules: modules)
        section.finish()
        return config
    }

    init(_ section: ConfigSection, filters builtIn: Set<String>, modules load: ModuleLoading?) {
        file = section.place.mark.file
        admin = section.section("admin").map { AdminConfig($0) }
        workers = section.int("workers", in: 1...1024)
        zone = section.value("zone", .label)
        accessLogs = section.raw("access_log").map { AccessLogConfig.logs($0, in: section) } ?? []
        localReplies = LocalReplyConfig.replies(section)
        metrics = section.section("metrics").map { MetricsConfig($0) } ?? MetricsConfig()
        drain = section.section("drain").map { DrainConfig($0) } ?? DrainConfig()
        overload = section.section("overload").map { OverloadConfig($0) } ?? OverloadConfig()
        modules = section.sections("modules").map { ModuleConfig($0) }
        let known = builtIn.union(load?(modules, section.diagnostics) ?? [])
        listeners = section.sections("listeners").map { ListenerConfig($0, filters: known) }
        clusters = section.sections("clusters").map { ClusterConfig($0) }
        policies = section.sections("policies").map { PolicyConfig($0) }
        controlPlane = section.section("control_plane").flatMap { ControlPlaneConfig($0) }
        xdsFiles = section.section("xds_files").flatMap { XDSFilesConfig($0) }
        if section.has("control_plane") || section.node["xds_files"]?["listeners"] != nil
            || section.diagnostics.isDiscovered
        {
            // Listeners come from there, and there may be none yet.
        } else if !section.has("listeners") {
            section.missing("listeners", hint: "a proxy needs at least one listener")
        } else if section.node["listeners"]?.items?.isEmpty == true {
            section.error(at: "listeners", "a proxy needs at least one listener")
        }
        ProxyConfigCheck(self, section).run()
    }
}
