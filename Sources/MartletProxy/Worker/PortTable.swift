internal import MartletConfig
internal import MartletCore
internal import MartletNet

/// The ports of one worker. Listeners come and go by name, connections by address: a port belongs to whichever listener has
/// its address, so that a new name, or two that swap their addresses, disturbs no client.
final class PortTable {
    /// One a listener of the snapshot in force.
    private var ports: [ListenerPort] = []
    /// Ports whose listener is gone from the configuration while some of their connections are not.
    private var retired: [ListenerPort] = []

    /// Sockets are for the addresses that nobody accepted at, by the listener's name.
    func adopt(
        _ listeners: [(config: ListenerConfig, listener: WorkerListener)], _ sockets: [String: BoundSocketBox],
        _ worker: Worker
    ) -> SystemError? {
        var left = ports
        func take(_ isWanted: (ListenerPort) -> Bool) -> ListenerPort? {
            left.firstIndex(where: isWanted).map { left.remove(at: $0) }
        }
        let same = listeners.map { entry in take { $0.isAt(entry.config.address, of: entry.config.name) } }
        var failure: SystemError?
        ports = zip(listeners, same).map { entry, same in
            let address = entry.config.address
            // One whose clients connected to an address within the new one goes on as it is.
            let port =
                same ?? take { $0.name == entry.config.name && $0.isWithin(address) } ?? take { $0.isWithin(address) }
                ?? ListenerPort(entry.listener, address: address, worker: worker)
            port.use(entry.listener)
            if let socket = sockets[entry.config.name]?.take() {
                do throws(SystemError) { try port.open(socket, at: address) } catch { failure = error }
            }
            return port
        }
        for port in ports {
            for other in left { port.takeSockets(of: other) }
        }
        retired.removeAll { $0.connectionCount == 0 }
        // First: what a port closes makes a draining worker ask how many connections are left.
        retired += left
        for port in left { port.drain() }
        return failure
    }

    private var all: [ListenerPort] { ports + retired }
    var connectionCount: Int { all.reduce(0) { $0 + $1.connectionCount } }

    func settleCounts() {
        for port in all { port.settleCounts() }
    }

    /// How many.
    func closeIdle() -> Int { all.reduce(0) { $0 + $1.closeIdle() } }

    func shrinkBuffers() {
        for port in all { port.shrinkBuffers() }
    }

    /// Gives up exchanges, those that hold most first, and of equals the oldest, until they have held so much; one at
    /// least. How many.
    func resetLargest(freeing bytes: Int) -> Int {
        var largest: [MemoryHolder] = []
        for port in all { port.addHolders(atLeast: Self.muchHeld, to: &largest) }
        largest.sort { ($0.bytes, $1.started) > ($1.bytes, $0.started) }
        var freed = 0
        var count = 0
        for entry in largest {
            entry.connection.shed(entry.driver)
            freed += entry.bytes
            count += 1
            if freed >= bytes { break }
        }
        return count
    }

    /// What less than this would free is not worth a request.
    private static let muchHeld = 65_536

    func drain() {
        for port in all { port.drain() }
    }

    /// The drain deadline has passed.
    func cut() {
        for port in all { port.cut() }
    }
}
