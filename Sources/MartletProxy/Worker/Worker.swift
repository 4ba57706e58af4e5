internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet
internal import MartletXDS
internal import Synchronization

/// What the supervisor tells a worker.
enum WorkerMessage: Sendable {
    /// Put a snapshot in force. Sockets are for the listeners whose address is new in it, by name.
    case adopt(Snapshot, sockets: [String: BoundSocketBox], done: @Sendable (SystemError?) -> Void)
    /// The resolver changed a cluster's endpoints.
    case endpointsChanged(ClusterRuntime)
    /// A worker waits for a connection of this cluster, and its limit is reached: close one that is idle.
    case connectionWanted(ClusterRuntime)
    case report(WorkerReport.Scope, @Sendable (WorkerReport) -> Void)
    /// For the handler of that number, which may be gone.
    case deliver(UInt64, any Sendable)
    /// Too much memory is in use: close what is idle, and of what holds most give up so much.
    case shed(OverloadActions, bytes: Int)
    /// Of the first worker alone.
    case discovery(DiscoveryOrder)
    case drain
    /// The drain deadline has passed.
    case cut
}

/// A bound socket on its way to its worker, which takes it once.
final class BoundSocketBox: Sendable {
    private let socket: Locked<BoundSocket?>
    init(_ socket: consuming BoundSocket) { self.socket = Locked(socket) }
    func take() -> BoundSocket? {
        socket.withLock { present -> sending BoundSocket? in
            var taken: BoundSocket?
            swap(&taken, &present)
            return taken
        }
    }
}

/// One thread, one loop: everything a connection or an exchange touches lives here and nowhere else.
final class Worker {
    let index: Int
    let loop: EventLoop
    let metrics = Metrics()
    var random = WorkerRandom()
    private(set) var isDraining = false
    /// The drain deadline has passed: nothing is waited for any more.
    private var isCut = false
    let replays: Counter
    let overload: OverloadState
    let overloadCounts: OverloadCounts

    private let mailbox: Mailbox<WorkerMessage>
    private var mail: LevelSource?
    private let shared: SharedCounts
    private let peers: WorkerPeers
    private let operatorLog: @Sendable (LogLevel, String) -> Void
    private let drained: @Sendable (Int) -> Void
    private let changed: @Sendable (ClusterRuntime) -> Void

    private let ports = PortTable()
    private var listeners: [WorkerListener] = []
    private var loggersWithLines: [AccessLogger] = []
    private(set) var clusters = ClusterTable([])
    private var retiredClusters: [WorkerCluster] = []

    /// Where decoders put what nobody wants to see.
    let droppedHead = RequestHead()
    let droppedTrailers = HeaderTable()

    private var spareDrivers: [ExchangeDriver] = []
    private var openDrivers = 0
    private var spareStreams: [HTTP2DownstreamStream] = []
    private var spareUpstreamStreams: [HTTP2UpstreamStream] = []
    let emptyBuffer = ByteBuffer(capacity: 1)
    /// A slice without bytes.
    let nothing = ByteSlice(copying: [])
    private var laterConnections: [HTTP1Downstream] = []
    private struct WeakObject {
        weak var object: AnyObject?
    }
    /// What filters share; held by them alone.
    private var sharedObjects: [ObjectIdentifier: WeakObject] = [:]
    private struct DrainHolder {
        weak var target: (any DrainTarget)?
    }
    private var drainHolders: [DrainHolder] = []
    private var calls: [ObjectIdentifier: [ClusterCall]] = [:]
    private var handlers = MessageHandlers()
    /// On the worker that carries the stream to the control plane.
    var discovery: DiscoveryCarrier?
    private let threads: WorkThreads
    private var connectionCounter: UInt64 = 0
    private var requestIDs: RequestIDs
    private var date = DateField()

    init(
        index: Int, mailbox: Mailbox<WorkerMessage>, shared: SharedCounts, peers: WorkerPeers,
        threads: WorkThreads, overload: OverloadState, operatorLog: @escaping @Sendable (LogLevel, String) -> Void,
        drained: @escaping @Sendable (Int) -> Void, changed: @escaping @Sendable (ClusterRuntime) -> Void
    ) throws(SystemError) {
        self.index = index
        self.mailbox = mailbox
        self.shared = shared
        self.peers = peers
        self.threads = threads
        self.overload = overload
        overloadCounts = OverloadCounts(metrics)
        self.operatorLog = operatorLog
        self.drained = drained
        self.changed = changed
        loop = try EventLoop()
        replays = metrics.counter("martlet_upstream_stale_connection_replays_total")
        requestIDs = RequestIDs(random: WorkerRandom())
        loop.turnEnds = { [unowned self] in self.turnEnded() }
        mail = try loop.attach(mailbox) { [unowned self] in
            for message in self.mailbox.drain() { self.handle(message) }
        }
    }

    func run() { loop.run() }

    private func turnEnded() {
        guard !loggersWithLines.isEmpty else { return }
        for logger in loggersWithLines { logger.turnEnded() }
        loggersWithLines.removeAll(keepingCapacity: true)
    }

    /// `logger` has lines to hand over at the end of this turn. Loggers tell, and are not asked: an exchange may end, and be
    /// logged, long after a reload has replaced its listener.
    func hasLines(_ logger: AccessLogger) { loggersWithLines.append(logger) }

    // MARK: Messages

    private func handle(_ message: WorkerMessage) {
        switch message {
        case .adopt(let snapshot, let sockets, let done): done(adopt(snapshot, sockets))
        case .endpointsChanged(let runtime):
            clusters.cluster(of: runtime)?.update(runtime.currentSet)
            for cluster in retiredClusters where cluster.runtime === runtime { cluster.update(runtime.currentSet) }
        case .connectionWanted(let runtime):
            if clusters.cluster(of: runtime)?.dropIdle() == true { return }
            _ = retiredClusters.first { $0.runtime === runtime && $0.dropIdle() }
        case .report(let scope, let answer): answer(report(scope))
        case .deliver(let number, let message): handlers[number]?(message)
        case .shed(let actions, let bytes): shed(actions, bytes: bytes)
        case .discovery(let order): discovery?.obey(order)
        case .drain: drain()
        case .cut:
            isCut = true
            ports.cut()
            finishIfDrained()
        }
    }

    private func adopt(_ snapshot: Snapshot, _ sockets: [String: BoundSocketBox]) -> SystemError? {
        let present = clusters
        let table = ClusterTable(
            snapshot.clusters.map { present.cluster(of: $0) ?? WorkerCluster(runtime: $0, worker: self) })
        for cluster in present.all where table.cluster(of: cluster.runtime) == nil {
            cluster.retire()
            retiredClusters.append(cluster)
        }
        retiredClusters.removeAll { $0.counts.open == 0 }
        clusters = table
        for listener in listeners { listener.isReplaced = true }
        listeners = snapshot.listeners.map { WorkerListener($0, clusters: table, worker: self) }
        let configs = snapshot.listeners.map(\.config)
        let failure = ports.adopt(Array(zip(configs, listeners)), sockets, self)
        for driver in spareDrivers { driver.forgetListener() }
        if isDraining { ports.drain() }
        return failure
    }

    private func report(_ scope: WorkerReport.Scope) -> WorkerReport {
        if scope == .traffic {
            let copy = metrics.copy(
                counters: ProxyReport.Source.counters, histogram: ProxyReport.Source.durations)
            return WorkerReport(
                metrics: copy, clusters: [], connections: ports.connectionCount, activeExchanges: openDrivers)
        }
        ports.settleCounts()
        return WorkerReport(
            metrics: metrics.copy(),
            clusters: clusters.all.map { (name: $0.name, open: $0.counts.open, idle: $0.counts.idle) },
            connections: ports.connectionCount, activeExchanges: openDrivers)
    }

    // MARK: Overload

    private func shed(_ actions: OverloadActions, bytes: Int) {
        if actions.contains(.shrinkBuffers) { ports.shrinkBuffers() }
        if actions.contains(.closeIdle) { closeIdle() }
        if actions.contains(.resetStreams) { overloadCounts.streams.add(UInt64(ports.resetLargest(freeing: bytes))) }
    }

    /// Closes client connections that have no request.
    func closeIdle() { overloadCounts.idle.add(UInt64(ports.closeIdle())) }

    // MARK: Draining

    private func drain() {
        guard !isDraining else { return }
        isDraining = true
        ports.drain()
        finishIfDrained()
    }

    private func finishIfDrained() {
        guard isDraining, ports.connectionCount == 0 else { return }
        for holder in drainHolders {
            guard let target = holder.target, !isCut else { continue }
            // Comes back here when it has handed over what it holds, on this thread, which ends with the worker.
            if !target.settle({ [unowned self] in self.finishIfDrained() }) { return }
        }
        turnEnded()
        drained(index)
    }

    // MARK: Connections

    func connectionCount(for listener: String) -> ConnectionCount { shared.count(for: listener) }

    func connectionGone() { if isDraining { finishIfDrained() } }

    func nextConnectionID() -> UInt64 {
        connectionCounter &+= 1
        return UInt64(index) << 48 | connectionCounter
    }

    /// Goes on with what a connection has read already, in the next turn.
    func consumeLater(_ connection: HTTP1Downstream) {
        if laterConnections.isEmpty { loop.runNextTurn(self) }
        laterConnections.append(connection)
    }

    // MARK: Exchanges

    func takeDriver() -> ExchangeDriver {
        openDrivers += 1
        return spareDrivers.popLast() ?? ExchangeDriver(worker: self)
    }

    func giveBack(_ driver: ExchangeDriver) {
        openDrivers -= 1
        // Its listener was replaced while the exchange ran: a pooled driver must not keep the old one's policies alive.
        if driver.listener?.isReplaced == true { driver.forgetListener() }
        if spareDrivers.count < Self.maxSpareDrivers {
            spareDrivers.append(driver)
        } else {
            driver.timer.cancel(loop)
            driver.exchange.detach()
        }
    }

    func takeStream() -> HTTP2DownstreamStream { spareStreams.popLast() ?? HTTP2DownstreamStream() }

    func giveBack(_ stream: HTTP2DownstreamStream) {
        if spareStreams.count < Self.maxSpareDrivers { spareStreams.append(stream) }
    }

    func takeUpstreamStream(at endpoint: WorkerEndpoint) -> HTTP2UpstreamStream {
        spareUpstreamStreams.popLast() ?? HTTP2UpstreamStream(endpoint)
    }

    func giveBack(_ stream: HTTP2UpstreamStream) {
        if spareUpstreamStreams.count < Self.maxSpareDrivers { spareUpstreamStreams.append(stream) }
    }

    /// The head of a 100 (Continue).
    let continueHead = {
        let head = ResponseHead()
        head.setStatus(100)
        return head
    }()

    /// Pooled exchanges beyond this are freed: a burst does not hold its memory for ever.
    private static let maxSpareDrivers = 1024

    /// Asks the other workers to close an idle connection of this cluster.
    func askForConnection(of runtime: ClusterRuntime) { peers.post(.connectionWanted(runtime), from: mailbox) }

    /// An endpoint was ejected or let back, or a circuit breaker opened or closed.
    func standingChanged(of runtime: ClusterRuntime) { changed(runtime) }

    func appendRequestID(to headers: HeaderTable) { requestIDs.append(to: headers) }
    func dateResponse(_ headers: HeaderTable) { date.appendIfAbsent(to: headers, at: .now()) }

    /// Sends a copy of a request and drops the answer.
    func mirror(_ exchange: Exchange, to cluster: WorkerCluster, ended: Bool) -> ClusterCall {
        ClusterCall.mirror(exchange, ended: ended, to: cluster, worker: self)
    }
}

extension Worker: TimerTarget {
    func timerFired(_ tag: UInt8) {
        let connections = laterConnections
        laterConnections.removeAll(keepingCapacity: true)
        for connection in connections { connection.consumeNow() }
    }
}

extension Worker: WorkerServices {
    var now: Instant { loop.now }
    var workerIndex: Int { index }

    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        let call = ClusterCall(request, worker: self, .call(done, maxBody: request.maxResponseBody.bytes))
        if let exchange { calls[ObjectIdentifier(exchange), default: []].append(call) }
        call.start(clusters(for: exchange).cluster(named: request.cluster))
        return CallHandle { [weak call] in call?.cancel() }
    }

    /// Those of the snapshot that the exchange began with.
    private func clusters(for exchange: Exchange?) -> ClusterTable {
        (exchange?.host.target as? ExchangeDriver)?.listener?.clusters ?? clusters
    }

    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        let call = ClusterCall(request, worker: self, .stream(events))
        if let exchange { calls[ObjectIdentifier(exchange), default: []].append(call) }
        call.start(clusters(for: exchange).cluster(named: request.cluster))
        return CallStream(call)
    }

    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject {
        if let object = sharedObjects[key]?.object { return object }
        let object = make()
        sharedObjects = sharedObjects.filter { $0.value.object != nil }
        sharedObjects[key] = WeakObject(object: object)
        return object
    }

    func randomBits() -> UInt64 { random.next() }

    func holdDrain(for target: any DrainTarget) {
        drainHolders.removeAll { $0.target == nil }
        drainHolders.append(DrainHolder(target: target))
    }

    func receive(
        _ handler: @escaping (any Sendable) -> Void
    ) -> (post: @Sendable (any Sendable) -> Bool, forget: () -> Void) {
        let number = handlers.add(handler)
        let mailbox = self.mailbox
        return ({ mailbox.post(.deliver(number, $0)) }, { [weak self] in self?.handlers.remove(number) })
    }

    func offload(
        limit: Int, _ work: @escaping @Sendable () -> any Sendable, _ done: @escaping (any Sendable) -> Void
    ) -> Bool {
        var number: UInt64 = 0
        number = handlers.add { [unowned self] outcome in
            self.handlers.remove(number)
            done(outcome)
        }
        let (mailbox, handler) = (self.mailbox, number)
        let isAccepted = threads.submit(limit: limit) { mailbox.post(.deliver(handler, work())) }
        if !isAccepted { handlers.remove(number) }
        return isAccepted
    }

    func cancelCalls(of exchange: Exchange) {
        guard !calls.isEmpty, let pending = calls.removeValue(forKey: ObjectIdentifier(exchange)) else { return }
        for call in pending { call.cancel() }
    }

    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle {
        let timer = FilterTimer(action)
        let id = loop.arm(at: loop.now + delay, timer, tag: 0)
        return TimerHandle { [unowned self] in self.loop.cancel(id) }
    }

    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?) {
        guard let exchange, let id = exchange.request.headers.string(.xRequestID) else {
            return operatorLog(level, message)
        }
        operatorLog(level, "[\(id)] \(message)")
    }
}

/// A timer that a filter armed.
private final class FilterTimer: TimerTarget {
    private let action: () -> Void
    init(_ action: @escaping () -> Void) { self.action = action }
    func timerFired(_ tag: UInt8) { action() }
}
