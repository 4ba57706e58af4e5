package import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import MartletXDS

#if canImport(Glibc)
internal import Glibc
#endif

/// What one attempt to load the configuration came to. Everything in it may cross to the supervisor's thread.
struct ConfigLoad: Sendable {
    struct Ready: Sendable {
        let snapshot: Snapshot
        /// New sockets: a listener's name, then one a worker.
        let sockets: [String: [BoundSocketBox]]
    }
    let result: Result<Ready, ConfigLoadFailure>
    let warnings: [ConfigError]
    /// Every file that the configuration consists of, as named in it.
    let files: [String]
    /// Of the content that was loaded.
    let contentHash: UInt64
}

package struct ConfigLoadFailure: Error, Sendable {
    package let errors: [ConfigError]
}

/// Loads the configuration: reads, checks, compiles, binds. Blocking; runs on a thread of its own. Nothing is in force
/// until the workers have adopted what comes out.
struct ConfigLoader: Sendable {
    let file: String
    let supplied: [String: [UInt8]]
    let document: ProcessDocument
    let registry: FilterRegistry
    let workers: Int
    let sinks: LogSinks

    /// - Parameter resources: what a control plane says; nil: the file says all.
    /// - Parameter checking: the same with what cannot be in force yet: mistakes in it fail the load.
    func load(previous: Snapshot?, resources: MeshResources?, checking: MeshResources? = nil) -> ConfigLoad {
        if let checking, let failure = self.failure(of: checking) { return failure }
        let diagnostics = ConfigDiagnostics()
        for (path, bytes) in supplied { diagnostics.files.supply(bytes, as: path) }
        let (config, registry) = self.registry.load(
            file: file, adding: { document.whole($0, resources, diagnostics: diagnostics) },
            diagnostics: diagnostics)
        guard let config else {
            // A policy file that does not exist yet must wake us when it does.
            return failed(diagnostics, diagnostics.files.paths + (previous?.config.policies.flatMap(\.files) ?? []))
        }
        let builder = SnapshotBuilder(registry: registry, workers: workers)
        let (built, dependencies) = builder.build(config, previous: previous, sinks: sinks, diagnostics: diagnostics)
        let files = diagnostics.files.paths + dependencies
        guard let snapshot = built else { return failed(diagnostics, files) }
        // The first start serves no one yet and waits for the resolver instead; clusters that stay are the resolver's already.
        if let previous {
            let new = snapshot.clusters.filter { cluster in !previous.clusters.contains { $0 === cluster } }
            NameLookups.fill(new, diagnostics: diagnostics)
        }
        var sockets: [String: [BoundSocketBox]] = [:]
        let present = previous?.addresses ?? .none
        let new = config.listeners.filter { !present.have($0) }
        for listener in new where !present.overlap(listener.address) {
            sockets[listener.name] = bind(listener, besideOurs: false, diagnostics)
        }
        // From here on they take a part of the connections, which would be lost with them if another could not be bound.
        for listener in new where present.overlap(listener.address) && !diagnostics.hasErrors {
            sockets[listener.name] = bind(listener, besideOurs: true, diagnostics)
        }
        // Nothing else is wrong: a configuration that is refused makes no files.
        if !diagnostics.hasErrors { for listener in snapshot.listeners { sinks.open(listener, diagnostics) } }
        guard !diagnostics.hasErrors else { return failed(diagnostics, files) }
        return ended(.success(ConfigLoad.Ready(snapshot: snapshot, sockets: sockets)), diagnostics, files)
    }

    private func failure(of resources: MeshResources) -> ConfigLoad? {
        let diagnostics = ConfigDiagnostics()
        for (path, bytes) in supplied { diagnostics.files.supply(bytes, as: path) }
        _ = registry.load(
            file: file, adding: { document.whole($0, resources, diagnostics: diagnostics) }, diagnostics: diagnostics)
        return diagnostics.hasErrors ? failed(diagnostics, diagnostics.files.paths) : nil
    }

    private func failed(_ diagnostics: ConfigDiagnostics, _ files: [String]) -> ConfigLoad {
        ended(.failure(ConfigLoadFailure(errors: diagnostics.errors)), diagnostics, files)
    }

    private func ended(
        _ result: Result<ConfigLoad.Ready, ConfigLoadFailure>, _ diagnostics: ConfigDiagnostics, _ files: [String]
    ) -> ConfigLoad {
        // What came from elsewhere is on no disk, to be watched or to be compared with.
        let files = files.filter { !diagnostics.files.isSupplied($0) }
        return ConfigLoad(
            result: result, warnings: diagnostics.warnings, files: files,
            contentHash: diagnostics.files.digest(of: files))
    }

    /// - Parameter besideOurs: it is this process that has sockets on the port, and the workers know what becomes of them.
    private func bind(
        _ listener: ListenerConfig, besideOurs: Bool, _ diagnostics: ConfigDiagnostics
    ) -> [BoundSocketBox] {
        guard var address = SocketAddress(listener.address) else { return [] }
        var boxes: [BoundSocketBox] = []
        do throws(SystemError) {
            if !besideOurs { try BoundSocket.requireFree(address) }
            let first = try BoundSocket(address)
            // With port 0 the kernel chooses once, and the other workers take the same.
            address = first.address
            for _ in 1..<max(workers, 1) {
                boxes.append(
                    BoundSocketBox(address.family == .unix ? try first.duplicate() : try BoundSocket(address)))
            }
            boxes.append(BoundSocketBox(first))
        } catch {
            diagnostics.error(
                at: listener.place.key("address"), error.description,
                hint: error.code == EADDRINUSE
                    ? "another process has this address; stop it or choose another port"
                    : error.code == EACCES ? "ports below 1024 need CAP_NET_BIND_SERVICE" : nil)
            return []
        }
        return boxes
    }

    /// The directories where a change to one of `files` shows: its own, and those of every link on the way to it.
    static func directories(of files: [String]) -> Set<String> {
        var directories: Set<String> = []
        for file in files {
            var path = file
            for _ in 0..<16 {
                directories.insert(directory(of: path))
                guard let target = linkTarget(path) else { break }
                path = target.hasPrefix("/") ? target : directory(of: path) + "/" + target
            }
            // realpath(3) with NULL allocates its answer.
            if let real = unsafe realpath(file, nil) {
                directories.insert(directory(of: unsafe String(cString: real)))
                unsafe free(real)
            }
        }
        return directories
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes {
            guard let base = $0.baseAddress else { return 0 }
            return unsafe readlink(path, base.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
