internal import ArgumentParser
internal import MartletBuiltIn
internal import MartletFilter
internal import MartletLua
internal import MartletProxy
internal import MartletXDS

#if canImport(Glibc)
internal import Glibc
#endif

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the proxy.",
        discussion: """
            Prints one line on standard error when it is ready. SIGHUP, a changed file and POST /reload load the \
            configuration anew; SIGTERM drains and exits 0; a second SIGTERM exits at once.
            """)

    @Option(help: "The configuration file.")
    var config: String?

    @Option(help: ArgumentHelp("Envoy's bootstrap, YAML or JSON, in place of a file of Martlet's.", valueName: "FILE"))
    var envoyConfig: String?

    @Option(
        help: """
            A control plane in place of a file: HOST:PORT, or the addresses of its replicas, ADDRESS:PORT,ADDRESS:PORT, which \
            are tried in turn. A file can say more: `control_plane`.
            """)
    var controlPlane: String?

    @Option(help: "How it is asked: delta, sotw or rest. Default: delta.")
    var method: String?

    @Option(help: "Who this proxy is to its control plane: unique among its proxies.")
    var node: String?

    @Option(help: "What it serves: proxies of one cluster are configured alike. Default: default.")
    var cluster: String?

    @Option(help: "A file that keeps what the control plane said last, for a start without it.")
    var state: String?

    @Option(help: "The admin API's address, where there is no file. Default: 127.0.0.1:9901.")
    var adminAddress: String?

    @Option(help: "Worker threads. Default: `workers` of the configuration, or one a core.")
    var workers: Int?

    @Flag(
        help: """
            Core dumps hold the process's memory, and the keys and requests in it. Without it they hold registers only.
            """)
    var fullCoreDumps = false

    func validate() throws {
        if let workers, !(1...1024).contains(workers) {
            throw ValidationError("--workers takes a number from 1 to 1024, not \(workers)")
        }
        if config != nil, envoyConfig != nil {
            throw ValidationError("--config and --envoy-config exclude each other")
        }
        switch (config ?? envoyConfig, controlPlane) {
        case (nil, nil):
            throw ValidationError("--config FILE, --envoy-config FILE or --control-plane HOST:PORT is needed")
        case (.some, .some):
            throw ValidationError("a file and --control-plane exclude each other: the control plane stands in the file")
        case (nil, .some):
            if node == nil { throw ValidationError("--node ID is needed with --control-plane") }
            let addresses = Bootstrap.addresses(controlPlane ?? "")
            if addresses.count > 1, let name = addresses.first(where: { !Bootstrap.isAddress($0) || $0.isEmpty }) {
                throw ValidationError(
                    "--control-plane takes one name, or several addresses: \"\(name)\" is none. A name may have several"
                )
            }
        case (.some, nil):
            for (name, value) in [
                ("--method", method), ("--node", node), ("--cluster", cluster), ("--state", state),
                ("--admin-address", adminAddress),
            ] where value != nil {
                throw ValidationError("\(name) is for --control-plane: otherwise it stands in the file")
            }
        }
    }

    func run() throws {
        if !fullCoreDumps, !CoreDumps.leaveMemoryOut() {
            OperatorLog.write(.warning, "core dumps may hold keys: /proc/self/coredump_filter cannot be written")
        }
        guard let controlPlane, let node else {
            let language: ProcessLanguage = envoyConfig == nil ? .martlet : .envoy
            throw ExitCode(try Self.proxy(config ?? envoyConfig ?? "", language: language, workers: workers))
        }
        let bootstrap = Bootstrap(
            controlPlane: controlPlane, method: method, node: node, cluster: cluster, state: state,
            adminAddress: adminAddress)
        let name = "the command line"
        throw ExitCode(
            try Self.proxy(name, supplied: [name: Array(bootstrap.text.utf8)], workers: workers))
    }

    /// Runs a proxy in this process until it has drained.
    /// - Parameter signalsBlocked: runs before anything else once signals are the supervisor's. What starts a thread earlier
    ///   leaves one that a signal ends the process by.
    static func proxy(
        _ file: String, language: ProcessLanguage = .martlet, supplied: [String: [UInt8]] = [:], workers: Int?,
        signalsBlocked: () throws -> Void = {},
        ready: (@Sendable () -> Void)? = nil
    ) throws -> Int32 {
        var options = SupervisorOptions(
            file: file, workers: workers, registry: BuiltInFilters.registry, version: Version.text,
            policies: { BuiltInFilters.policies.json }, log: OperatorLog.write, ready: ready)
        (options.language, options.supplied) = (language, supplied)
        let supervisor = try Supervisor(options)
        try signalsBlocked()
        let code = supervisor.run()
        OperatorLog.flush()
        return code
    }
}
