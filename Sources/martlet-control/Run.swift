internal import ArgumentParser
internal import Foundation
internal import Logging
internal import MartletBuiltIn
internal import MartletConfig
internal import MartletControl
internal import MartletControlCheck
internal import MartletControlServer
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import MartletProxy
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the control plane.",
        discussion: """
            Prints one line on standard error when it is ready. SIGTERM ends it: requests under way are answered, and proxies \
            keep what they have. Docs/ControlServer.md has the configuration.
            """)

    @Option(help: "The configuration file.")
    var config: String?

    @Option(help: "The file of the store, where there is no configuration file.")
    var store: String?

    @Option(help: "Where proxies come. Default: 127.0.0.1:18000.")
    var xds: String?

    @Option(help: "Where operators come, without tokens: an address of this machine alone. Default: 127.0.0.1:18001.")
    var api: String?

    @Option(help: "The file of the audit log. Default: none is kept.")
    var audit: String?

    func validate() throws {
        switch (config, store) {
        case (nil, nil): throw ValidationError("--config FILE or --store FILE is needed")
        case (.some, .some): throw ValidationError("--config and --store exclude each other: write store in the file")
        case (nil, .some): return
        case (.some, nil):
            for (name, value) in [("--xds", xds), ("--api", api), ("--audit", audit)] where value != nil {
                throw ValidationError("\(name) is for --store: with --config it stands in the file")
            }
        }
    }

    func run() async throws {
        // Keys are in the store, and names of tokens in the audit log: the files of this process are its user's alone.
        umask(0o077)
        if !CoreDumps.leaveMemoryOut() {
            OperatorLog.write(.warning, "core dumps may hold keys: /proc/self/coredump_filter cannot be written")
        }
        // Each proxy is a connection.
        Machine.raiseOpenFiles()
        let diagnostics = ConfigDiagnostics()
        let loaded =
            config.map { ControlConfig.load(file: $0, diagnostics: diagnostics) }
            ?? ControlConfig.parse(Array(flags.utf8), file: "the command line", diagnostics: diagnostics)
        for warning in diagnostics.warnings { StandardError.print("\(warning)") }
        for error in diagnostics.errors { StandardError.print("\(error)") }
        guard let loaded else { throw ExitCode(1) }
        do {
            try await serve(loaded)
        } catch let error as StoreError {
            StandardError.print("the store: \(error)")
            throw ExitCode(1)
        } catch {
            StandardError.print("the control plane ends: \(error)")
            throw ExitCode(1)
        }
    }

    /// What the flags say, in the configuration language. Values are quoted, so that what is wrong with one is told as such.
    private var flags: String {
        func quoted(_ text: String) -> String { JSONValue.string(text).text }
        var lines = ["store: { path: \(quoted(store ?? "")) }"]
        if let xds { lines.append("xds: { address: \(quoted(xds)) }") }
        if let api { lines.append("api: { address: \(quoted(api)) }") }
        if let audit { lines.append("audit: { path: \(quoted(audit)) }") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func serve(_ config: ControlConfig) async throws {
        let log: @Sendable (String) -> Void = { OperatorLog.write(.warning, $0) }
        let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
        let store = try await OpenStore(config.store, log: log)
        defer { store.close() }
        let peers = try Peers(config, log: log)
        let control = MeshControl(
            store: store.store, checker: ProxyCheck(), instances: store.instances,
            files: EndpointFiles(folder: config.endpointsFolder, log: log), replicas: peers?.replicas ?? SoleReplica(),
            now: now, log: log)
        let opening = Opening()
        let isEnding = Atomic(false)
        let discovery = DiscoveryServer(
            control: control, host: config.xds.address.host, port: Int(config.xds.address.port ?? 0),
            security: config.xds.security, identifier: "martlet-control \(Version.text)", now: now
        ) { port in opening.xds("\(config.xds.address.host):\(port)") }
        let logger = Logger(label: "martlet-control") { StreamLogHandler.standardError(label: $0) }
        let api = try ControlAPI(
            control: control, instances: control.instances, settings: config.api,
            audit: AuditLog(
                path: config.audit.path, isRequired: config.audit.isRequired, now: now, log: log),
            replicaToken: peers?.replicas.own.token, logger: logger,
            unready: {
                if isEnding.load(ordering: .relaxed) { return "ending" }
                return await control.isReady ? nil : "the store has not been read yet"
            },
            ready: { address in
                opening.api(address)
                peers?.announce(address)
            })
        var quiet = logger
        quiet.logLevel = .warning
        var settings = ServiceGroupConfiguration(
            services: [
                // In the order of starting; they end the other way round.
                .init(service: RunningPart { await cancelWhenGracefulShutdown { await control.run() } }),
                .init(service: RunningPart { try await discovery.run() }),
                .init(service: RunningPart { try await api.run() }),
                .init(
                    service: RunningPart {
                        await opening.wait(for: { await control.isReady })
                        try? await gracefulShutdown()
                        isEnding.store(true, ordering: .relaxed)
                    }, successTerminationBehavior: .ignore),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        settings.maximumGracefulShutdownDuration = .seconds(10)
        defer { OperatorLog.flush() }
        do {
            try await ServiceGroup(configuration: settings).run()
        } catch {
            await peers?.caller.close()
            throw error
        }
        await peers?.caller.close()
    }
}

/// A part of the process that runs until its end is asked for.
private struct RunningPart: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws { try await body() }
}

/// Says once that both doors are open and the store is read.
private final class Opening: Sendable {
    private struct State {
        var xds: String?
        var api: String?
    }

    private let state = Locked(State())
    private let doors = AsyncStream.makeStream(of: Void.self)

    func xds(_ address: String) { open { $0.xds = address } }
    func api(_ address: String) { open { $0.api = address } }

    private func open(_ change: @Sendable (inout State) -> Void) {
        state.withLock { change(&$0) }
        doors.continuation.yield()
    }

    func wait(for isReady: @escaping @Sendable () async -> Bool) async {
        await cancelWhenGracefulShutdown {
            for await _ in self.doors.stream {
                let (xds, api) = self.state.withLock { ($0.xds, $0.api) }
                guard let xds, let api else { continue }
                while await !isReady(), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(10)) }
                guard !Task.isCancelled else { return }
                StandardError.print("martlet-control ready: proxies at \(xds), operators at \(api)")
                return
            }
        }
    }
}

/// The other processes of this control plane.
private struct Peers: Sendable {
    let replicas: EtcdReplicas
    let caller: ReplicaCaller
    private let url: String?

    /// Nil: there can be none.
    init?(_ config: ControlConfig, log: @escaping @Sendable (String) -> Void) throws {
        guard case .etcd(let etcd) = config.store else { return nil }
        let caller = try ReplicaCaller(ca: config.replica.ca, tls: config.api.tls)
        self.caller = caller
        url = config.replica.url
        replicas = EtcdReplicas(
            endpoints: etcd.endpoints, prefix: etcd.prefix, log: log, ask: { try await caller.ask($0) })
    }

    /// - Parameter address: of the API, with the port that it has got.
    func announce(_ address: String) {
        let isReachable = !["unix:", "http://0.0.0.0", "https://0.0.0.0", "http://[::]", "https://[::]"]
            .contains(where: address.hasPrefix)
        replicas.announce(url: url ?? (isReachable ? address : nil))
    }
}

/// The store that the configuration names, and the registry beside it.
private struct OpenStore {
    let store: any ConfigStore
    let instances: any InstanceRegistry
    let close: () -> Void

    init(_ config: ControlConfig.Store, log: @escaping @Sendable (String) -> Void) async throws(StoreError) {
        switch config {
        case .file(let path):
            let opened = try SQLiteStore(path: path)
            let file = try InstanceFile(path: path + ".instances")
            instances = LocalRegistry(file: file, log: log)
            (store, close) = (
                opened,
                {
                    opened.close()
                    file.close()
                }
            )
        case .etcd(let etcd):
            let opened = try await EtcdStore(endpoints: etcd.endpoints, prefix: etcd.prefix)
            instances = EtcdRegistry(endpoints: etcd.endpoints, prefix: etcd.prefix, log: log)
            (store, close) = (opened, { opened.close() })
        }
    }
}
