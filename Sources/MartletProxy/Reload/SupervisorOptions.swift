package import MartletFilter
package import MartletXDS

/// How a process runs, decided on the command line.
package struct SupervisorOptions: Sendable {
    package var file: String
    /// Files that are not on the disk, by the name that stands for them: what the command line says.
    package var supplied: [String: [UInt8]] = [:]
    /// What `file` is written in.
    package var language = ProcessLanguage.martlet
    /// Nil: as the configuration says.
    package var workers: Int?
    package var registry: FilterRegistry
    /// JSON of the policies in force, from the filters that have any.
    package var policies: @Sendable () -> String
    package var log: @Sendable (LogLevel, String) -> Void
    package var version: String
    /// Called once, when the first configuration is in force.
    package var ready: (@Sendable () -> Void)?

    package init(
        file: String, workers: Int?, registry: FilterRegistry, version: String,
        policies: @escaping @Sendable () -> String, log: @escaping @Sendable (LogLevel, String) -> Void,
        ready: (@Sendable () -> Void)? = nil
    ) {
        self.ready = ready
        self.file = file
        self.workers = workers
        self.registry = registry
        self.version = version
        self.policies = policies
        self.log = log
    }
}
