internal import MartletCore

/// A client's connection on its listener's port, whatever it speaks.
protocol DownstreamConnection: AnyObject {
    /// Among its port's connections; -1 when it is none of them. The port's affair.
    var place: Int { get set }
    /// The listener that it came in at has another name.
    func listenerRenamed()
    /// The worker drains: an idle connection goes now, others when their exchanges are over.
    func drain()
    /// The drain deadline has passed.
    func cut()
    /// Closes the connection if it has no request; whether it did.
    func closeIfIdle() -> Bool
    /// Its exchanges queue no more than so many bytes a side from now on.
    func shrinkBuffers(to limit: Int)
    /// Counts what is not counted as it comes. Before a scrape.
    func settleCounts()
    /// Adds the exchanges that hold so many bytes.
    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder])
    /// One of them holds more than the process can spare.
    func shed(_ driver: ExchangeDriver)
}

extension DownstreamConnection {
    func settleCounts() {}
}

/// An exchange and the memory it holds.
struct MemoryHolder {
    let connection: any DownstreamConnection
    let driver: ExchangeDriver
    let bytes: Int
    let started: Instant
}
