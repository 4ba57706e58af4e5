internal import MartletConfig
internal import MartletFilter
internal import MartletNet
internal import MartletXDS

extension Supervisor {
    /// The configuration without what a control plane says: whom to ask, and what concerns the process. Nil when it has mistakes,
    /// which the first load tells.
    func preview(_ document: ProcessDocument) -> ProxyConfig? {
        let diagnostics = ConfigDiagnostics()
        for (path, bytes) in options.supplied { diagnostics.files.supply(bytes, as: path) }
        return options.registry.load(
            file: options.file, adding: { document.whole($0, nil, diagnostics: diagnostics) }, diagnostics: diagnostics
        ).config
    }

    /// With what was kept of a control plane's last word, if that can be used.
    func firstLoad(_ loader: ConfigLoader) -> ConfigLoad {
        guard let controlPlane else { return loader.load(previous: nil, resources: nil) }
        if let saved = controlPlane.saved() {
            let load = loader.load(previous: nil, resources: saved)
            if case .success = load.result {
                resources = saved
                options.log(.info, "control plane: what was last in force is used until it is heard")
                return load
            }
            if case .failure(let failure) = load.result { report(failure.errors) }
            options.log(.error, "control plane: what was last in force cannot be used any more")
            controlPlane.forgetSaved()
        }
        return loader.load(previous: nil, resources: MeshResources())
    }

    /// As `reload`, with these resources beside the file, from now on.
    /// - Parameter checking: resources that are looked at, too, and not put in force.
    func load(
        _ resources: MeshResources, checking: MeshResources? = nil,
        _ done: @escaping (Result<Snapshot, ConfigLoadFailure>) -> Void
    ) {
        self.resources = resources
        waitingResources = checking
        reload(isOffer: true, done)
    }

    /// What was tried is not used: these are, as before.
    func stay(with resources: MeshResources) { self.resources = resources }

    /// To the worker that carries the stream to the control plane.
    func carry(_ order: DiscoveryOrder) { workers.first?.post(.discovery(order)) }
}
