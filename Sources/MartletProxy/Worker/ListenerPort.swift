internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// An accepting socket of one worker, and the connections that came in by it. It outlives snapshots: a reload changes
/// which chain its next requests run, not the socket.
final class ListenerPort {
    let name: String
    let address: ConfigAddress
    private let addressText: String
    private let worker: Worker
    /// What requests that begin now run by.
    private(set) var current: WorkerListener
    private var socket: ListenerSocket?
    /// In no order; each knows its place, so that none is looked for.
    private var connections: [HTTP1Downstream] = []
    private let accepted: Counter
    private let open: Gauge
    /// Over all workers.
    private let count: ConnectionCount

    init(_ listener: WorkerListener, address: ConfigAddress, socket bound: consuming BoundSocket, worker: Worker)
        throws(SystemError)
    {
        name = listener.name
        self.address = address
        addressText = bound.address.description
        self.worker = worker
        current = listener
        count = worker.connectionCount(for: listener.name)
        let labels = [("listener", listener.name)]
        accepted = worker.metrics.counter("martlet_downstream_connections_total", labels)
        open = worker.metrics.gauge("martlet_downstream_connections_active", labels)
        let starved = worker.metrics.counter("martlet_downstream_accept_failures_total", labels)
        socket = try ListenerSocket(
            loop: worker.loop, bound,
            starved: { [unowned worker] error in
                starved.add()
                worker.log(.error, "cannot accept: \(error)", of: nil)
            },
            accepted: { [unowned self] socket, peer in self.accept(socket, peer) })
    }

    private func accept(_ socket: StreamSocket, _ peer: SocketAddress) {
        accepted.add()
        guard count.take(limit: current.maxConnections) else {
            current.rejectedConnections.add()
            return socket.reset()
        }
        let connection = HTTP1Downstream(worker: worker, listener: self, socket: socket, peer: peer)
        do throws(SystemError) {
            try connection.start()
            connection.place = connections.count
            connections.append(connection)
            open.add(1)
        } catch {
            count.giveBack()
        }
    }

    /// The address that the client reached. Only behind a wildcard the kernel has to be asked.
    func localAddress(of socket: StreamSocket) -> String {
        guard address.isWildcard, let reached = socket.localAddress() else { return addressText }
        return reached.description
    }

    func closed(_ connection: HTTP1Downstream) {
        guard connection.place >= 0, let last = connections.popLast() else { return }
        if last !== connection {
            last.place = connection.place
            connections[connection.place] = last
        }
        connection.place = -1
        open.add(-1)
        count.giveBack()
        worker.connectionGone()
    }

    /// The next request runs by this. Connections stay as they are.
    func use(_ listener: WorkerListener) { current = listener }

    func stopAccepting() {
        socket?.close()
        socket = nil
    }

    /// Idle connections close now, the others after their exchange.
    func drain() {
        stopAccepting()
        for connection in connections { connection.drain() }
    }

    /// The drain deadline has passed.
    func cut() {
        for connection in connections { connection.cut() }
    }

    var connectionCount: Int { connections.count }
}
