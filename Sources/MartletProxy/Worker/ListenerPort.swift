internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// Where one worker accepts for a listener, and the connections that came in there. It outlives snapshots: a reload changes
/// which chain its next requests run, and if need be which listener they belong to, not the sockets.
final class ListenerPort {
    private(set) var name: String
    private(set) var address: ConfigAddress
    private var addressText: String
    private let worker: Worker
    /// What requests that begin now run by.
    private(set) var current: WorkerListener
    /// At `address`, and at others within it.
    private var sockets: [(address: ConfigAddress, socket: ListenerSocket)] = []
    /// In no order; each knows its place, so that none is looked for.
    private var connections: [any DownstreamConnection] = []
    private var counts: Counts
    /// TLS handshakes under way.
    var handshakes = 0
    private var lastStarved = Instant(nanoseconds: 0)

    /// What is counted of a listener.
    private struct Counts {
        let accepted: Counter
        let open: Gauge
        let starved: Counter
        /// Over all workers.
        let connections: ConnectionCount

        init(_ listener: String, _ worker: Worker) {
            let labels = [("listener", listener)]
            accepted = worker.metrics.counter("martlet_downstream_connections_total", labels)
            open = worker.metrics.gauge("martlet_downstream_connections_active", labels)
            starved = worker.metrics.counter("martlet_downstream_accept_failures_total", labels)
            connections = worker.connectionCount(for: listener)
        }
    }

    init(_ listener: WorkerListener, address: ConfigAddress, worker: Worker) {
        name = listener.name
        self.address = address
        addressText = address.description
        self.worker = worker
        current = listener
        counts = Counts(listener.name, worker)
    }

    /// Accepts at `address`, and goes on where it did before.
    func open(_ bound: consuming BoundSocket, at address: ConfigAddress) throws(SystemError) {
        let text = bound.address.description
        let socket = try ListenerSocket(loop: worker.loop, bound, starved: starved, accepted: accepted)
        self.address = address
        addressText = text
        sockets.append((address, socket))
    }

    private var starved: (SystemError) -> Void {
        { [unowned self] error in
            counts.starved.add()
            // Every 50 ms while it lasts: one line in a second is enough.
            if worker.now >= lastStarved + .seconds(1) {
                lastStarved = worker.now
                worker.log(.error, "cannot accept: \(error)", of: nil)
            }
            worker.closeIdle()
        }
    }

    private var accepted: (StreamSocket, SocketAddress) -> Void {
        { [unowned self] socket, peer in accept(socket, peer) }
    }

    /// With port 0 the kernel chose, and only the listener of the same name can mean what it chose.
    func isAt(_ address: ConfigAddress, of listener: String) -> Bool {
        self.address == address && (address.port != 0 || name == listener)
    }

    /// Every client that can connect to this port can to `address`.
    func isWithin(_ address: ConfigAddress) -> Bool { address.includes(self.address) }

    /// Takes over the sockets of `other` at addresses that are within this one's.
    func takeSockets(of other: ListenerPort) {
        let taken = other.sockets.filter { address.includes($0.address) }
        other.sockets.removeAll { address.includes($0.address) }
        for entry in taken { entry.socket.hand(starved: starved, accepted: accepted) }
        sockets += taken
    }

    private func accept(_ socket: StreamSocket, _ peer: SocketAddress) {
        counts.accepted.add()
        guard !worker.overload.actions.contains(.refuseConnections) else {
            worker.overloadCounts.connections.add()
            return socket.reset()
        }
        guard worker.overload.takeConnection() else {
            worker.overloadCounts.connectionsBeyond.add()
            return socket.reset()
        }
        guard counts.connections.take(limit: current.maxConnections) else {
            worker.overload.giveBackConnection()
            current.rejectedConnections.add()
            return socket.reset()
        }
        let client = Downstream(
            directRemoteIP: peer.family == .unix ? "unix" : peer.host, directRemotePort: peer.port ?? 0,
            localAddress: localAddress(of: socket), listener: name, scheme: .http,
            connectionID: worker.nextConnectionID())
        if current.opening.isPlainHTTP {
            let connection = HTTP1Downstream(worker: worker, listener: self, socket: socket, client: client)
            add(connection)
            do throws(SystemError) { try connection.start() } catch { closed(connection) }
        } else {
            let opening = ConnectionOpening(worker, self, socket, peer, client)
            add(opening)
            do throws(SystemError) { try opening.start() } catch { closed(opening) }
        }
    }

    private func add(_ connection: any DownstreamConnection) {
        connection.place = connections.count
        connections.append(connection)
        counts.open.add(1)
    }

    /// The address that the client reached. Only behind a wildcard the kernel has to be asked.
    private func localAddress(of socket: StreamSocket) -> String {
        guard address.isWildcard, let reached = socket.localAddress() else { return addressText }
        return reached.description
    }

    /// `next` goes on with what came in as `connection`.
    func replace(_ connection: any DownstreamConnection, with next: any DownstreamConnection) {
        guard connections.indices.contains(connection.place) else { return }
        next.place = connection.place
        connections[next.place] = next
        connection.place = -1
    }

    func closed(_ connection: any DownstreamConnection) {
        guard connection.place >= 0, let last = connections.popLast() else { return }
        if last !== connection {
            last.place = connection.place
            connections[connection.place] = last
        }
        connection.place = -1
        counts.open.add(-1)
        counts.connections.giveBack()
        worker.overload.giveBackConnection()
        worker.connectionGone()
    }

    /// The next request runs by this. Connections stay as they are.
    func use(_ listener: WorkerListener) {
        current = listener
        guard listener.name != name else { return }
        name = listener.name
        let old = counts
        counts = Counts(name, worker)
        old.open.add(Int64(-connections.count))
        counts.open.add(Int64(connections.count))
        for connection in connections {
            old.connections.giveBack()
            counts.connections.force()
            connection.listenerRenamed()
        }
    }

    func stopAccepting() {
        for entry in sockets { entry.socket.close() }
        sockets = []
    }

    /// Idle connections close now, the others after their exchange.
    func drain() {
        stopAccepting()
        for connection in connections { connection.drain() }
    }

    /// Closes connections without a request. How many.
    func closeIdle() -> Int { connections.reduce(0) { $0 + ($1.closeIfIdle() ? 1 : 0) } }

    func shrinkBuffers() {
        for connection in connections { connection.shrinkBuffers(to: OverloadActions.shrunkBuffer) }
    }

    /// Exchanges whose request, or response, holds so much memory.
    func addHolders(atLeast bytes: Int, to holders: inout [MemoryHolder]) {
        for connection in connections { connection.addHolders(atLeast: bytes, to: &holders) }
    }

    /// The drain deadline has passed.
    func cut() {
        for connection in connections { connection.cut() }
    }

    var connectionCount: Int { connections.count }

    func settleCounts() {
        for connection in connections { connection.settleCounts() }
    }
}
