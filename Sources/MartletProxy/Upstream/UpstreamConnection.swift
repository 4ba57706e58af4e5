/// A connection to an endpoint, as its cluster counts it.
protocol UpstreamConnection: AnyObject {
    var endpoint: WorkerEndpoint { get }
    var isConnected: Bool { get }
    /// Given up by who wanted it, not failed.
    var isAbandoned: Bool { get }
    /// Requests that wait for it to come up.
    var waiting: Int { get }
    /// Closes it and takes it out of its pool. Safe to call twice.
    func discard()
}
