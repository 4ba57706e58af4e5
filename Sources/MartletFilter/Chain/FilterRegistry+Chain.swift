package import MartletConfig

extension FilterRegistry {
    /// Decodes every filter of a listener and what each route says about it, and compiles the routes. Nil after errors
    /// were reported.
    package func compileChain(
        of listener: ListenerConfig, clusterIndex: (String) -> Int?, load: LoadContext, diagnostics: ConfigDiagnostics
    ) -> (filters: [CompiledFilter], routes: RouteIndex)? {
        var filters: [CompiledFilter] = []
        load.listener = listener
        load.proofs = []
        var overrides = [[Int: RouteOverride]](repeating: [:], count: listener.routes.count)
        for (position, section) in listener.filters.enumerated() {
            var sections: [(route: Int, name: String, section: ConfigSection)] = []
            var off: [Int] = []
            let ordinal = listener.filters[..<position].count { $0.name == section.name }
            load.place = "\(listener.name)/\(section.name)/\(ordinal)"
            for (number, route) in listener.routes.enumerated() {
                for override in route.overrides where override.filter == section.name {
                    switch override.change {
                    case .off:
                        off.append(number)
                        overrides[number][position] = .disabled
                    case .settings(let node):
                        let name = route.name ?? "route-\(number)"
                        sections.append((number, name, ConfigSection(node, diagnostics: diagnostics)))
                    }
                }
            }
            defer { load.proofs.formUnion(proofs(of: section.name)) }
            guard
                let compiled = compile(section, overrides: sections, off: off, load: load, diagnostics: diagnostics)
            else { continue }
            filters.append(compiled.filter)
            // Also in the place of `off`, when the filter says what that means.
            for (route, settings) in compiled.routes { overrides[route][position] = .config(settings) }
        }
        guard
            let routes = RouteIndex.build(
                listener, clusterIndex: clusterIndex, overrides: overrides, diagnostics: diagnostics),
            filters.count == listener.filters.count
        else { return nil }
        return (filters, routes)
    }
}
