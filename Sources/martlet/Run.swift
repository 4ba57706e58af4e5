internal import ArgumentParser
internal import MartletFilter
internal import MartletLua
internal import MartletProxy

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
    var config: String

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
    }

    func run() throws {
        if !fullCoreDumps, !CoreDumps.leaveMemoryOut() {
            OperatorLog.write(.warning, "core dumps may hold keys: /proc/self/coredump_filter cannot be written")
        }
        throw ExitCode(try Self.proxy(config, workers: workers))
    }

    /// Runs a proxy in this process until it has drained.
    /// - Parameter signalsBlocked: runs before anything else once signals are the supervisor's. What starts a thread earlier
    ///   leaves one that a signal ends the process by.
    static func proxy(
        _ file: String, workers: Int?, signalsBlocked: () throws -> Void = {}, ready: (@Sendable () -> Void)? = nil
    ) throws -> Int32 {
        let supervisor = try Supervisor(
            SupervisorOptions(
                file: file, workers: workers, registry: BuiltInFilters.registry, version: Version.text,
                policies: { BuiltInFilters.policies.json }, log: OperatorLog.write, ready: ready))
        try signalsBlocked()
        let code = supervisor.run()
        OperatorLog.flush()
        return code
    }
}
