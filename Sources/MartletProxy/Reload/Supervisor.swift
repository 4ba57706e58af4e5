internal import MartletConfig
internal import MartletCore
internal import MartletFilter
package import MartletNet
internal import MartletXDS
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// What reaches the supervisor from other threads.
enum SupervisorMessage: Sendable {
    case loaded(ConfigLoad)
    case adopted(worker: Int, SystemError?)
    case resolved(ClusterRuntime, Result<[SocketAddress], ResolveError>, changed: Bool)
    /// A worker ejected an endpoint, ended a probation, or moved a circuit breaker.
    case standingChanged(ClusterRuntime)
    case workerDrained(Int)
    case gathered(Gathering)
    case discovery(DiscoveryNews)
    /// The resources that are in force have been kept, or could not be.
    case kept(String?)
}

/// Starts the workers, keeps the configuration in force, answers the admin API, and ends the process in order. It runs
/// on the main thread with a loop of its own; no request ever waits for it.
package final class Supervisor {
    let options: SupervisorOptions
    let loop: EventLoop
    let mailbox: Mailbox<SupervisorMessage>
    let sinks: LogSinks
    private let shared = SharedCounts()
    private let peers = WorkerPeers()
    /// For filters' work that takes long. Half the cores: the workers need the others.
    private let threads = WorkThreads(name: "work", count: max(1, Machine.cores / 2))
    let overload: OverloadWatch
    private var sources: [LevelSource] = []
    private var watcher: DirectoryWatcher?
    private(set) var workers: [Mailbox<WorkerMessage>] = []

    private(set) var snapshot: Snapshot?
    private var loader: ConfigLoader?
    /// Nil: the file says all.
    private(set) var controlPlane: ControlPlane?
    /// What came from there and the next load is to put in force.
    var resources: MeshResources?
    /// What waits for other resources and must be sound all the same, for that load alone.
    var waitingResources: MeshResources?
    private var isLoading = false
    private var isLoadingOffer = false
    private var wantsLoad = false
    /// Who asked for the load under way, and for the next one.
    private var waiting: [(Result<Snapshot, ConfigLoadFailure>) -> Void] = []
    private var waitingNext: [(Result<Snapshot, ConfigLoadFailure>) -> Void] = []
    private var adopting: (load: ConfigLoad.Ready, left: Int, failure: SystemError?)?
    private var contentHash: UInt64 = 0
    private var files: [String] = []
    private var settle: TimerID?
    /// Files may have changed since the load under way read them.
    private var comparesAfterLoad = false
    var reloads = (succeeded: 0, failed: 0)
    var lastFailure: [ConfigError] = []

    var isReady = false
    private(set) var isDraining = false
    private var wasSignalled = false
    private var drained: Set<Int> = []
    private var exitCode: Int32 = 0
    private var resolver: EndpointResolver?
    private(set) var monitor: HealthMonitor?
    private var admin: AdminServer?
    /// Scrapes waiting for the workers' answers.
    var pendingGathers: [(Gathering, ([WorkerReport]) -> Void)] = []

    package init(_ options: SupervisorOptions) throws(SystemError) {
        self.options = options
        let signals = try SignalBlock()
        overload = OverloadWatch(descriptors: Machine.raiseOpenFiles(), log: options.log)
        loop = try EventLoop()
        mailbox = try Mailbox()
        sinks = LogSinks()
        sources.append(try signals.attach(to: loop) { [unowned self] in self.received($0) })
        sources.append(
            try loop.attach(mailbox) { [unowned self] in
                for message in self.mailbox.drain() { self.handle(message) }
            })
    }

    /// Runs until the process has drained. Returns its exit code.
    package func run() -> Int32 {
        guard start() else { return 1 }
        loop.run()
        sinks.flush()
        return exitCode
    }

    /// Apart from `run`, which lasts as long as the process: it must not hold the first snapshot.
    private func start() -> Bool {
        // The first load is made here: there is nothing to keep running when it fails.
        let document = ProcessDocument(options.language)
        let preview = preview(document)
        let count = options.workers ?? preview?.workers ?? Machine.cores
        let loader = ConfigLoader(
            file: options.file, supplied: options.supplied, document: document, registry: options.registry,
            workers: count, sinks: sinks)
        self.loader = loader
        controlPlane = preview?.controlPlane.map { ControlPlane(self, $0, version: options.version) }
        let load = firstLoad(loader)
        for warning in load.warnings { options.log(.warning, warning.description) }
        guard case .success(let ready) = load.result else {
            if case .failure(let failure) = load.result { report(failure.errors) }
            return false
        }
        do throws(SystemError) {
            overload.use(ready.snapshot.config.overload)
            watchOverload()
            try startWorkers(count)
            monitor = HealthMonitor(
                loop: loop, log: options.log, publish: { [unowned self] in self.endpointsChanged($0) })
            monitor?.use(ready.snapshot.clusters)
            resolver = EndpointResolver(self)
            resolver?.use(ready.snapshot)
            try startAdmin(ready.snapshot.config)
            watcher = try DirectoryWatcher(loop: loop) { [unowned self] in self.filesChanged() }
        } catch {
            options.log(.critical, error.description)
            return false
        }
        remember(load)
        adopt(ready)
        controlPlane?.start()
        return true
    }

    func report(_ errors: [ConfigError]) {
        for error in errors { options.log(.error, error.description) }
    }

    private func startWorkers(_ count: Int) throws(SystemError) {
        for index in 0..<count {
            let inbox = try Mailbox<WorkerMessage>()
            workers.append(inbox)
            peers.add(inbox)
            let mailbox = self.mailbox
            let shared = self.shared
            let peers = self.peers
            let threads = self.threads
            let overload = self.overload.state
            let log = options.log
            let hasDiscovery = index == 0 && controlPlane != nil
            try LoopThread.start("worker-\(index)") {
                do throws(SystemError) {
                    let worker = try Worker(
                        index: index, mailbox: inbox, shared: shared, peers: peers, threads: threads,
                        overload: overload, operatorLog: log, drained: { mailbox.post(.workerDrained($0)) },
                        changed: { mailbox.post(.standingChanged($0)) })
                    if hasDiscovery {
                        worker.discovery = DiscoveryCarrier(worker) { mailbox.post(.discovery($0)) }
                    }
                    worker.run()
                } catch {
                    log(.critical, "worker \(index): \(error)")
                    mailbox.post(.adopted(worker: index, error))
                }
            }
        }
    }

    private func startAdmin(_ config: ProxyConfig) throws(SystemError) {
        guard let address = config.admin?.address else { return }
        admin = try AdminServer(loop: loop, address: address, backend: self)
    }

    // MARK: Messages

    private func handle(_ message: SupervisorMessage) {
        switch message {
        case .loaded(let load): loaded(load)
        case .adopted(_, let failure): adopted(failure)
        case .resolved(let cluster, let result, let changed): resolver?.answered(cluster, result, changed: changed)
        case .standingChanged(let cluster): monitor?.standingChanged(cluster)
        case .workerDrained(let index):
            drained.insert(index)
            if drained.count == workers.count { loop.stop() }
        case .gathered(let gathering): self.gathered(gathering)
        case .discovery(let news): controlPlane?.heard(news)
        case .kept(let failure): controlPlane?.kept(failure)
        }
    }

    private func received(_ signal: Signal) {
        switch signal {
        case .hangup:
            sinks.reopen()
            reload { (_: Result<Snapshot, ConfigLoadFailure>) in }
        case .terminate, .interrupt:
            if wasSignalled {
                // At once is at once: nothing is waited for.
                _exit(1)
            }
            wasSignalled = true
            // A drain over the admin API comes before the first signal, not in its place: what Kubernetes sends after a
            // preStop hook must not cut the requests that the hook waited for.
            if isDraining { options.log(.info, "draining already: the signal changes nothing; another exits at once") }
            drain()
        }
    }

    // MARK: Reloading

    /// Loads the configuration anew. `done` hears on this thread how it went; requests that come while one is under way
    /// are answered together by the next.
    /// - Parameter isOffer: whoever asks tells what is wrong with it.
    func reload(isOffer: Bool = false, _ done: @escaping (Result<Snapshot, ConfigLoadFailure>) -> Void) {
        guard !isLoading, adopting == nil, let loader else {
            wantsLoad = true
            return waitingNext.append(done)
        }
        isLoading = true
        isLoadingOffer = isOffer
        waiting.append(done)
        let (previous, resources) = (snapshot, self.resources)
        let waitingResources = self.waitingResources.take()
        let mailbox = self.mailbox
        do throws(SystemError) {
            try LoopThread.start("config-load") {
                mailbox.post(
                    .loaded(loader.load(previous: previous, resources: resources, checking: waitingResources)))
            }
        } catch {
            isLoading = false
            options.log(.error, "cannot start loading: \(error)")
        }
    }

    private func loaded(_ load: ConfigLoad) {
        isLoading = false
        remember(load)
        for warning in load.warnings { options.log(.warning, warning.description) }
        switch load.result {
        case .success(let ready):
            warnOfWhatNeedsARestart(ready.snapshot.config)
            adopt(ready)
        case .failure(let failure):
            reloads.failed += 1
            lastFailure = failure.errors
            guard !isLoadingOffer else { return answer(.failure(failure)) }
            report(failure.errors)
            options.log(
                .error, "configuration refused; version \(snapshot?.version ?? 0) keeps serving")
            answer(.failure(failure))
        }
    }

    private func adopt(_ ready: ConfigLoad.Ready) {
        adopting = (ready, workers.count, nil)
        // At the start it is readiness that waits for the first health checks; a cluster that a reload brings must have been
        // checked before it is sent requests.
        guard snapshot != nil, let monitor else { return handOut(ready) }
        monitor.prepare(ready.snapshot.clusters)
        monitor.whenChecked { [unowned self] in self.handOut(ready) }
    }

    private func handOut(_ ready: ConfigLoad.Ready) {
        let mailbox = self.mailbox
        for (index, worker) in workers.enumerated() {
            worker.post(
                .adopt(
                    ready.snapshot,
                    sockets: ready.sockets.compactMapValues { $0.indices.contains(index) ? $0[index] : nil }
                ) {
                    mailbox.post(.adopted(worker: index, $0))
                })
        }
    }

    /// Goes on for as long as the process does.
    private func watchOverload() {
        if let (actions, bytes) = overload.look(at: loop.now) {
            // Each its share; who holds less leaves the rest to the next look.
            for worker in workers { worker.post(.shed(actions, bytes: bytes / max(workers.count, 1))) }
        }
        after(overload.interval) { [unowned self] in self.watchOverload() }
    }

    private func adopted(_ failure: SystemError?) {
        guard var state = adopting else { return }
        state.left -= 1
        if let failure { state.failure = failure }
        adopting = state
        guard state.left == 0 else { return }
        adopting = nil
        let isFirst = snapshot == nil
        snapshot = state.load.snapshot
        overload.use(state.load.snapshot.config.overload)
        resolver?.use(state.load.snapshot)
        monitor?.use(state.load.snapshot.clusters)
        if let failure = state.failure { options.log(.error, "a worker could not open a listener: \(failure)") }
        if isFirst {
            resolver?.whenResolved { [unowned self] in
                guard let monitor = self.monitor else { return self.becomeReady() }
                monitor.whenChecked { [unowned self] in self.becomeReady() }
            }
        } else {
            reloads.succeeded += 1
            options.log(.info, "version \(state.load.snapshot.version) in force")
        }
        answer(.success(state.load.snapshot))
    }

    private func becomeReady() {
        guard let snapshot, !isReady, !isDraining else { return }
        if let controlPlane, !controlPlane.isSettled {
            controlPlane.settled = { [unowned self] in self.becomeReady() }
            return
        }
        isReady = true
        let listeners = snapshot.config.listeners.map { "\($0.name)=\($0.address)" }.joined(separator: " ")
        let admin = snapshot.config.admin.map { " admin=\($0.address)" } ?? ""
        options.log(.info, "martlet \(options.version) ready: \(workers.count) workers, \(listeners)\(admin)")
        options.ready?()
    }

    private func answer(_ result: Result<Snapshot, ConfigLoadFailure>) {
        let answered = waiting
        waiting = waitingNext
        waitingNext = []
        for done in answered { done(result) }
        if wantsLoad {
            wantsLoad = false
            let next = waiting
            waiting = []
            reload { result in for done in next { done(result) } }
        }
        if comparesAfterLoad {
            comparesAfterLoad = false
            filesChanged()
        }
    }

    private func remember(_ load: ConfigLoad) {
        contentHash = load.contentHash
        files = load.files
        for directory in ConfigLoader.directories(of: load.files) {
            do throws(SystemError) {
                try watcher?.watch(directory)
            } catch {
                options.log(.debug, error.description)
            }
        }
        // What changed after it was read and before its directory was watched has sent no event.
        comparesAfterLoad = true
    }

    /// An editor or a mount changes several files in a row: wait until it is quiet for a moment.
    private func filesChanged() {
        if let settle { loop.cancel(settle) }
        settle = loop.arm(at: loop.now + .milliseconds(30), self, tag: 0)
    }

    // MARK: Draining

    func drain() {
        guard !isDraining else { return }
        isDraining = true
        isReady = false
        let deadline = snapshot?.config.drain.deadline ?? .seconds(30)
        options.log(.info, "draining: exchanges under way have \(deadline) to end")
        for worker in workers { worker.post(.drain) }
        after(Nanoseconds(deadline)) { [unowned self] in
            self.options.log(.warning, "drain deadline passed: cutting what is left")
            for worker in self.workers { worker.post(.cut) }
            self.after(.seconds(2)) { [unowned self] in self.loop.stop() }
        }
    }

    @discardableResult
    func after(_ delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerID {
        let target = TimerAction(action)
        return loop.arm(at: loop.now + delay, target, tag: 0)
    }
}

extension Supervisor: TimerTarget {
    package func timerFired(_ tag: UInt8) {
        settle = nil
        guard !isLoading, adopting == nil else {
            comparesAfterLoad = true
            return
        }
        // A log written in the same directory is an event too, but no change.
        guard ConfigSources().digest(of: files) != contentHash else {
            for directory in ConfigLoader.directories(of: files) { try? watcher?.watch(directory) }
            return
        }
        reload { (_: Result<Snapshot, ConfigLoadFailure>) in }
    }
}
