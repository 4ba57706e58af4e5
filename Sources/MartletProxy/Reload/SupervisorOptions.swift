package import MartletFilter

/// How a process runs, decided on the command line.
package struct SupervisorOptions: Sendable {
    package var file: String
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
