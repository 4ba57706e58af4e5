internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

/// A cluster on one worker: its balancer, its pools of idle connections, and who waits for one.
final class WorkerCluster: TimerTarget {
    let runtime: ClusterRuntime
    let worker: Worker
    private let balancer: Balancer
    private let keepsOutcomes: Bool
    private let breaker: ErrorRateBreaker?
    /// In the order of the set that the balancer uses.
    private var endpoints: [WorkerEndpoint] = []
    private var set: EndpointSet
    private var waiting: [any ConnectionTaker] = []
    private var waitingHead = 0
    /// Connections on their way up whose protocol the endpoint will choose.
    private var dials: [UpstreamDial] = []
    var openConnections = 0
    private var isRetired = false
    private var lastComplaint = Instant(nanoseconds: 0)
    private var retryTimer = LazyTimer()

    let codecLimits: HTTP1Limits
    let connectTimeout: Nanoseconds
    /// Endpoints hear by the PROXY protocol whose connection it is: it serves one request.
    let tellsClients: Bool
    let idleTimeout: Nanoseconds
    let http2Settings: HTTP2Settings
    let http2Limits: HTTP2Limits
    /// Requests at once on one HTTP/2 connection.
    let maxStreams: Int
    /// How long an HTTP/2 connection may be silent before it is asked whether it is there.
    let pingInterval: Nanoseconds?
    let pingTimeout: Nanoseconds

    let connectionsOpened: Counter
    let connectFailures: Counter
    private let overflows: [Counter]
    private let circuitOpen: Counter
    /// Made for those that speak it only.
    private(set) lazy var http2Counts = HTTP2Counts("martlet_upstream_http2", [("cluster", name)], worker.metrics)
    var retryBudget = RetryBudget()
    let retries: RetryCounters

    init(runtime: ClusterRuntime, worker: Worker) {
        self.runtime = runtime
        self.worker = worker
        balancer = Balancer(runtime.config)
        keepsOutcomes = runtime.keepsOutcomes
        breaker = runtime.breaker
        set = runtime.currentSet
        connectTimeout = Nanoseconds(runtime.config.connectTimeout)
        tellsClients = runtime.config.proxyProtocol != nil
        idleTimeout = runtime.config.idleTimeout.map { Nanoseconds($0) } ?? .zero
        codecLimits = HTTP1Limits(
            head: runtime.config.limits.responseHeaders.bytes, fields: runtime.config.limits.headerCount)
        let http2 = runtime.config.http2
        maxStreams = http2.maxConcurrentStreams
        pingInterval = http2.pingInterval.map { Nanoseconds($0) }
        pingTimeout = Nanoseconds(http2.pingTimeout)
        http2Settings = HTTP2Settings(http2)
        http2Limits = HTTP2Limits(
            head: runtime.config.limits.responseHeaders.bytes, fields: runtime.config.limits.headerCount)
        let labels = [("cluster", runtime.name)]
        connectionsOpened = worker.metrics.counter("martlet_upstream_connections_total", labels)
        connectFailures = worker.metrics.counter("martlet_upstream_connect_failures_total", labels)
        retries = RetryCounters(labels, worker.metrics)
        overflows = ["connections", "pending", "requests", "retries"].map {
            worker.metrics.counter("martlet_upstream_overflow_total", labels + [("limit", $0)])
        }
        circuitOpen = worker.metrics.counter("martlet_upstream_circuit_open_total", labels)
        endpoints = set.endpoints.map { WorkerEndpoint($0, runtime.tls) }
        balancer.use(set, now: worker.loop.now, &worker.random)
    }

    var name: String { runtime.name }

    // MARK: Taking a connection

    /// Finds a connection for `taker`, who hears of it now or later. `fresh`: not one that was idle.
    func take(for taker: any ConnectionTaker, fresh: Bool = false) {
        runtime.sawTraffic()
        guard isAdmitted() else { return taker.upstreamRefused(.circuitOpen) }
        find(for: taker, fresh: fresh)
    }

    /// The circuit breaker lets it pass.
    func isAdmitted() -> Bool {
        guard let breaker else { return true }
        let (isAdmitted, changed) = breaker.admit(at: worker.loop.now)
        if changed { worker.standingChanged(of: runtime) }
        if !isAdmitted { circuitOpen.add() }
        return isAdmitted
    }

    private func find(for taker: any ConnectionTaker, fresh: Bool) {
        guard let endpoint = endpoint(for: taker) else {
            return taker.upstreamRefused(.noHealthyUpstream)
        }
        // A connection whose endpoint was told of one client is for nobody else.
        guard !tellsClients else { return dial(endpoint, for: taker) }
        if !fresh, let connection = endpoint.idle.popLast() {
            connection.lend(to: taker)
            return taker.upstreamReady(connection)
        }
        for session in endpoint.sessions where session.takesStreams {
            guard session.isConnected || runtime.limits.pending.take() else {
                refused(.pending)
                return taker.upstreamRefused(.overflow(.pending))
            }
            return taker.upstreamReady(session.open(for: taker))
        }
        dial(endpoint, for: taker)
    }

    /// Choices that do not suit the taker before all endpoints are looked at.
    private static let maxChoices = 4

    func endpoint(for taker: any EndpointChooser) -> WorkerEndpoint? {
        if let wanted = taker.endpointOverride {
            if let endpoint = endpoints.first(where: { $0.shared.isAt(wanted.address) }),
                wanted.isStrict || endpoint.shared.isAvailable
            {
                return endpoint
            }
            if wanted.isStrict { return nil }
        }
        let hash = taker.hashKey
        let now = worker.loop.now
        guard let first = balancer.pick(hash: hash, now: now, &worker.random) else { return nil }
        if taker.prefers(endpoints[first]) { return endpoints[first] }
        // By the policy for as long as that may help, then any other.
        for attempt in 1..<Self.maxChoices {
            guard let next = balancer.pick(hash: hash, attempt: attempt, now: now, &worker.random) else { break }
            if taker.prefers(endpoints[next]) { return endpoints[next] }
        }
        let other = balancer.first(&worker.random) { taker.prefers(endpoints[$0]) }
        return endpoints[other ?? first]
    }

    /// How an attempt at `endpoint` ended.
    func report(_ outcome: AttemptOutcome, of endpoint: Endpoint, latency: Nanoseconds) {
        guard keepsOutcomes else { return }
        if runtime.record(outcome, of: endpoint, latency: latency, at: worker.loop.now, &worker.random) {
            worker.standingChanged(of: runtime)
        }
    }

    private func dial(_ endpoint: WorkerEndpoint, for taker: any ConnectionTaker) {
        guard runtime.limits.pending.take() else {
            refused(.pending)
            return taker.upstreamRefused(.overflow(.pending))
        }
        guard runtime.limits.connections.take() || (dropIdle() && runtime.limits.connections.take()) else {
            // Wait for one of ours to be free, or for another worker to give one up.
            worker.askForConnection(of: runtime)
            waiting.append(taker)
            retryTimer.require(worker.loop.now + Self.retryWaiting, worker.loop, self)
            return
        }
        do throws(SystemError) {
            openConnections += 1
            let socket = try endpoint.dial(worker.loop)
            if let header = runtime.config.proxyHeader(for: taker.toldClient) {
                socket.writeAhead(header.encoded().span)
            }
            connectionsOpened.add()
            switch runtime.config.protocol {
            case .http1:
                try lend(
                    HTTP1Upstream(cluster: self, endpoint: endpoint, socket: socket, isConnected: false), to: taker)
            case .http2: try share(socket, to: endpoint, isConnected: false, with: taker)
            case .auto:
                let dial = UpstreamDial(self, endpoint, socket, for: taker)
                try dial.start()
                dials.append(dial)
            }
        } catch {
            openConnections -= 1
            runtime.limits.connections.giveBack()
            runtime.limits.pending.giveBack()
            connectFailures.add()
            report(.connectFailure, of: endpoint.shared, latency: .zero)
            taker.cannotReach(endpoint)
            taker.upstreamRefused(.dialFailed(error.code))
        }
    }

    private func lend(_ connection: HTTP1Upstream, to taker: any ConnectionTaker) throws(SystemError) {
        try connection.start()
        connection.lend(to: taker)
        taker.upstreamReady(connection)
    }

    private func share(
        _ socket: StreamSocket, to endpoint: WorkerEndpoint, isConnected: Bool, with taker: any ConnectionTaker
    ) throws(SystemError) {
        guard
            let session = HTTP2Upstream(cluster: self, endpoint: endpoint, socket: socket, isConnected: isConnected)
        else {
            socket.close()
            throw SystemError(call: "HTTP/2 session", code: ENOMEM)
        }
        try session.start()
        if tellsClients {
            let stream = session.open(for: taker)
            session.drain()
            return taker.upstreamReady(stream)
        }
        endpoint.add(session)
        taker.upstreamReady(session.open(for: taker))
        if isRetired || endpoint.isRemoved { session.drain() }
    }

    /// A dial whose protocol was open has come to one.
    func dialled(_ dial: UpstreamDial, isHTTP2: Bool) {
        dials.removeAll { $0 === dial }
        connected(waiting: 1)
        do throws(SystemError) {
            if isHTTP2 {
                try share(dial.socket, to: dial.endpoint, isConnected: true, with: dial.taker)
            } else {
                try lend(
                    HTTP1Upstream(cluster: self, endpoint: dial.endpoint, socket: dial.socket, isConnected: true),
                    to: dial.taker)
            }
        } catch {
            openConnections -= 1
            runtime.limits.connections.giveBack()
            dial.taker.upstreamRefused(.dialFailed(error.code))
        }
    }

    /// It came to nothing.
    func dialFailed(_ dial: UpstreamDial, _ error: SystemError) {
        dials.removeAll { $0 === dial }
        closed(dial)
        report(.connectFailure, of: dial.endpoint.shared, latency: .zero)
        dial.taker.cannotReach(dial.endpoint)
        dial.taker.upstreamRefused(error.tls == nil ? .dialFailed(error.code) : .tlsFailed)
    }

    /// A connection that was on its way up failed: why, for whoever reads the log.
    func connectFailed(_ error: SystemError, at endpoint: WorkerEndpoint) -> UpstreamFailure {
        guard error.tls != nil else { return .connectFailed(error.code) }
        // It fails for every request alike: one line in a second is enough.
        if worker.loop.now >= lastComplaint + .seconds(1) {
            lastComplaint = worker.loop.now
            worker.log(.warning, "cluster \(name): \(endpoint.shared.name): \(error)", of: nil)
        }
        return .tlsFailed
    }

    /// Closes a connection that nobody uses, of whatever endpoint, so that another may be opened. False when there is none.
    func dropIdle() -> Bool {
        guard let endpoint = endpoints.max(by: { $0.idleCount < $1.idleCount }) else { return false }
        return endpoint.dropIdle()
    }

    private static let retryWaiting = Nanoseconds.milliseconds(5)

    func refused(_ kind: ClusterAllowances.Kind) { overflows[kind.rawValue].add() }

    /// `taker` waits no more.
    func stopWaiting(_ taker: any ConnectionTaker) {
        if let dial = dials.first(where: { $0.taker === taker }) {
            dials.removeAll { $0 === dial }
            dial.isAbandoned = true
            return dial.discard()
        }
        guard let index = waiting[waitingHead...].firstIndex(where: { $0 === taker }) else { return }
        waiting.remove(at: index)
        runtime.limits.pending.giveBack()
    }

    private func nextWaiting() -> (any ConnectionTaker)? {
        guard waitingHead < waiting.count else { return nil }
        let taker = waiting[waitingHead]
        waitingHead += 1
        if waitingHead == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            waitingHead = 0
        } else if waitingHead > 64 {
            waiting.removeFirst(waitingHead)
            waitingHead = 0
        }
        return taker
    }

    func timerFired(_ tag: UInt8) {
        retryTimer.fired()
        serveWaiting()
        guard waitingHead < waiting.count else { return }
        worker.askForConnection(of: runtime)
        retryTimer.require(worker.loop.now + Self.retryWaiting, worker.loop, self)
    }

    private func serveWaiting() {
        while waitingHead < waiting.count, runtime.limits.connections.inUse < runtime.limits.connections.limit {
            guard let taker = nextWaiting() else { return }
            runtime.limits.pending.giveBack()
            // The circuit breaker has let it pass already.
            find(for: taker, fresh: false)
        }
    }

    // MARK: Connections' news

    func connected(waiting: Int) {
        for _ in 0..<waiting { runtime.limits.pending.giveBack() }
    }

    /// A request waits no more for a connection that is on its way up.
    func stoppedWaiting() { runtime.limits.pending.giveBack() }

    /// Its HTTP/2 connection may take another request.
    func streamFreed(_ session: HTTP2Upstream) {
        while waitingHead < waiting.count, session.isConnected, session.takesStreams, !session.endpoint.isRemoved {
            guard let taker = nextWaiting() else { return }
            runtime.limits.pending.giveBack()
            taker.upstreamReady(session.open(for: taker))
        }
    }

    /// The connection is free again.
    func returned(_ connection: HTTP1Upstream) {
        if let taker = nextWaiting() {
            runtime.limits.pending.giveBack()
            connection.lend(to: taker)
            return taker.upstreamReady(connection)
        }
        guard !isRetired, !connection.endpoint.isRemoved else { return connection.discard() }
        connection.endpoint.idle.append(connection)
    }

    func closed(_ connection: any UpstreamConnection) {
        if !connection.isConnected {
            connected(waiting: connection.waiting)
            if !connection.isAbandoned { connectFailures.add() }
        }
        connectionGone()
    }

    func connectionGone() {
        openConnections -= 1
        runtime.limits.connections.giveBack()
        if waitingHead < waiting.count { retryTimer.require(worker.loop.now, worker.loop, self) }
    }

    // MARK: Changes

    /// Endpoints came or went, or their health changed. Idle connections to those that left are closed, and, if the
    /// configuration says so, to those that their checks found unhealthy; those under way finish.
    func update(_ next: EndpointSet) {
        guard next !== set else { return }
        if !next.endpoints.elementsEqual(set.endpoints, by: { $0 === $1 }) { replaceEndpoints(next.endpoints) }
        set = next
        balancer.use(next, now: worker.loop.now, &worker.random)
        guard runtime.config.healthCheck?.closesConnections == true else { return }
        for endpoint in endpoints where endpoint.shared.hasFailedCheck { endpoint.closeIdle() }
    }

    private func replaceEndpoints(_ shared: [Endpoint]) {
        var present: [ObjectIdentifier: WorkerEndpoint] = [:]
        for endpoint in endpoints { present[ObjectIdentifier(endpoint.shared)] = endpoint }
        endpoints = shared.map {
            present.removeValue(forKey: ObjectIdentifier($0)) ?? WorkerEndpoint($0, runtime.tls)
        }
        for endpoint in present.values { endpoint.remove() }
    }

    /// The configuration has it no more. Exchanges that began with it finish; nothing is kept for later ones.
    func retire() {
        isRetired = true
        for endpoint in endpoints { endpoint.remove() }
    }

    /// Connections of this cluster on this worker, in use and idle.
    var counts: (open: Int, idle: Int) { (openConnections, endpoints.reduce(0) { $0 + $1.idleCount }) }
}
