internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import MartletXDS

/// Keeps a proxy at what its control plane says: asks, puts in force what it is offered, and answers each offer when that is
/// done. On the supervisor's thread; the stream itself is a worker's.
///
///     away ──▶ streaming ──offers──▶ loading ──in force──▶ acknowledged
///       ▲          │                    └──errors──▶ the resources that have them are refused, and the rest is loaded
///       └──ended───┘  tried again after a pause
///
/// Several responses that came together are loaded together: routes, clusters and endpoints change at one stroke.
final class ControlPlane {
    private unowned let supervisor: Supervisor
    private let config: ControlPlaneConfig
    private var client: DiscoveryClient
    /// In force, or being put in force.
    private var cache = ResourceCache()
    private var arrived: [[UInt8]] = []
    private var stream = 0
    private var isStreaming = false
    private var isLoading = false
    /// Streams that ended without a word since the last that brought one.
    private var failures = 0
    private static let backoff = RetryPolicy.Backoff(base: .milliseconds(500), max: .seconds(30))
    private var isUnsaved = false
    private var isWriting = false
    /// When what is warming now is used as it is.
    private var warming: TimerID?
    /// What has waited long enough.
    private var lateComers: Set<HeldResource> = []
    /// Types that the control plane has said something of.
    private var heard: Set<ResourceType> = []
    /// A first configuration has come, or will not.
    private(set) var isSettled = false
    var settled: () -> Void = {}
    private(set) var status = ControlPlaneStatus()

    init(_ supervisor: Supervisor, _ config: ControlPlaneConfig, version: String) {
        self.supervisor = supervisor
        self.config = config
        var node = DiscoveryNode(id: config.node.id, cluster: config.node.cluster, version: version)
        node.region = config.node.region
        node.zone = config.node.zone
        node.labels = config.node.labels
        client = DiscoveryClient(config.method == .delta ? .delta : .stateOfTheWorld, node)
    }

    /// What is kept from the last run, to be loaded before anything else. Nil: nothing, or nothing of use.
    func saved() -> MeshResources? {
        guard let path = config.state else { return nil }
        do throws(ConfigFile.Failure) {
            guard let bytes = try StateFile(path: path).read() else { return nil }
            guard let cache = ResourceCache(saved: bytes) else {
                supervisor.options.log(
                    .error, "\(path): no resources can be read from it; the control plane is waited for")
                return nil
            }
            self.cache = cache
            return self.cache.resources()
        } catch {
            supervisor.options.log(.error, "\(path): \(error.reason)")
            return nil
        }
    }

    /// What was saved cannot be used.
    func forgetSaved() { cache = ResourceCache() }

    /// Once the workers run.
    func start() {
        if cache.isEmpty {
            supervisor.after(Nanoseconds(config.initialFetchTimeout)) { [weak self] in self?.settle() }
        } else {
            settle()
        }
        connect()
    }

    private func settle() {
        guard !isSettled else { return }
        isSettled = true
        settled()
    }

    // MARK: The stream

    private func connect() {
        guard !supervisor.isDraining else { return }
        stream += 1
        isStreaming = true
        arrived = []
        status.isConnected = false
        supervisor.carry(
            .open(
                stream: stream, cluster: config.cluster.name, path: client.method.path,
                authority: config.cluster.name))
        for message in client.open(held: cache.held) { send(message) }
    }

    private func send(_ message: [UInt8]?) {
        guard isStreaming, let message else { return }
        supervisor.carry(.send(stream: stream, message))
    }

    func heard(_ news: DiscoveryNews) {
        switch news {
        case .message(let stream, let bytes):
            guard stream == self.stream, isStreaming else { return }
            if !status.isConnected { supervisor.options.log(.info, "control plane: connected") }
            status.isConnected = true
            failures = 0
            arrived.append(bytes)
            take()
        case .ended(let stream, let reason):
            guard stream == self.stream, isStreaming else { return }
            lost(reason)
        }
    }

    private func lost(_ reason: String) {
        isStreaming = false
        status.isConnected = false
        status.lastEnd = reason
        arrived = []
        failures += 1
        // Each proxy another share of it, so that a thousand that lost their control plane do not come back at once.
        let next = Self.backoff.wait(before: failures, random: .random(in: 0..<1))
        supervisor.options.log(
            .warning, "control plane: \(reason); what is in force stays, next try in \(next.milliseconds) ms")
        supervisor.after(next) { [weak self] in self?.connect() }
    }

    // MARK: Offers

    /// Loads what has arrived, all together, unless a load is under way.
    private func take() {
        guard !isLoading, !arrived.isEmpty else { return }
        var offers: [DiscoveryOffer] = []
        var candidate = cache
        let messages = arrived
        arrived = []
        for message in messages {
            do throws(DiscoveryClient.Unreadable) {
                guard let offer = try client.received(message) else { continue }
                if let fault = offer.fault {
                    refuse(offer, fault, on: stream)
                    continue
                }
                candidate.apply(offer)
                offers.append(offer)
            } catch {
                supervisor.carry(.close)
                return lost(error.description)
            }
        }
        guard !offers.isEmpty else { return }
        subscribe(candidate)
        load(offers, candidate, refused: [:], on: stream)
    }

    private func refuse(_ offer: DiscoveryOffer, _ reason: String, on stream: Int) {
        status.refused += 1
        let words = "\(offer.type.rawValue) of version \"\(offer.version)\": \(reason)"
        status.lastRefusal = words
        supervisor.options.log(.error, "control plane: refused \(words)")
        answer(offer, refusedFor: reason, on: stream)
    }

    /// Asks for what the resources mention, before they can be used.
    private func subscribe(_ cache: ResourceCache) {
        for type in ResourceType.allCases where !type.isWildcard {
            send(client.subscribe(type, to: cache.mentioned(type), held: cache.held(type)))
        }
    }

    /// Answers what came by a stream that is over are for nobody.
    private func answer(_ offer: DiscoveryOffer, refusedFor reason: String?, on stream: Int) {
        let message = client.answer(offer, refusedFor: reason)
        if stream == self.stream { send(message) }
    }

    /// - Parameter refused: why, by the resources that a try before this one found wrong.
    private func load(
        _ offers: [DiscoveryOffer], _ candidate: ResourceCache, refused: [ResourceName: [String]], on stream: Int
    ) {
        isLoading = true
        var candidate = candidate
        let resources = candidate.resources()
        supervisor.load(resources, checking: candidate.warming()) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success:
                self.inForce(candidate, offers, refused, on: stream)
            case .failure(let failure):
                self.tryWithout(failure.errors, offers, candidate, refused, on: stream)
            }
        }
    }

    /// The resources that are at fault stay as they were, and the rest is tried again; without any to blame nothing is used.
    private func tryWithout(
        _ errors: [ConfigError], _ offers: [DiscoveryOffer], _ candidate: ResourceCache,
        _ refused: [ResourceName: [String]], on stream: Int
    ) {
        var next = candidate
        var reasons = refused
        var isAny = false
        let offered = Set(offers.flatMap { offer in offer.changed.keys.map { ResourceName(offer.type, $0) } })
        for error in errors {
            guard let name = ResourceName(of: error), offered.contains(name) else { continue }
            if refused[name] == nil {
                isAny = true
                next.revert(name.type, name.name, to: cache)
            }
            reasons[name, default: []].append(error.description)
        }
        if isAny { return load(offers, next, refused: reasons, on: stream) }
        let all = errors.map(\.description).joined(separator: "\n")
        for offer in offers { refuse(offer, all, on: stream) }
        subscribe(cache)
        supervisor.stay(with: cache.resources())
        loaded()
    }

    private func inForce(
        _ candidate: ResourceCache, _ offers: [DiscoveryOffer], _ refused: [ResourceName: [String]], on stream: Int
    ) {
        cache = candidate
        cache.forgetUnmentioned()
        for offer in offers {
            let reasons = refused.filter { $0.key.type == offer.type && offer.changed[$0.key.name] != nil }
            if reasons.isEmpty {
                status.accepted += 1
                status.versions[offer.type.rawValue] = offer.version
                answer(offer, refusedFor: nil, on: stream)
            } else {
                let words = reasons.sorted { $0.key.name < $1.key.name }.flatMap(\.value)
                refuse(offer, words.joined(separator: "\n"), on: stream)
            }
        }
        status.waiting = cache.waiting.count
        subscribe(cache)
        save()
        watchWarming()
        heard.formUnion(offers.map(\.type))
        // Who has no listeners yet need not wait for routes.
        if !cache.isWarming, heard.isSuperset(of: [.listener, .cluster]) { settle() }
        loaded()
    }

    private func loaded() {
        isLoading = false
        take()
        doWithout()
    }

    /// What does not come is done without in the end, each resource in its own time.
    private func watchWarming() {
        let waiting = cache.waiting
        guard warming == nil, !waiting.isEmpty else { return }
        warming = supervisor.after(Nanoseconds(config.initialFetchTimeout)) { [weak self] in
            guard let self else { return }
            self.warming = nil
            self.lateComers.formUnion(waiting)
            self.doWithout()
        }
    }

    /// Puts in force what has waited long enough, when no load is under way.
    private func doWithout() {
        guard !isLoading, !lateComers.isEmpty else { return }
        let isAny = cache.giveUp(lateComers)
        lateComers = []
        watchWarming()
        guard isAny else { return }
        isLoading = true
        supervisor.load(cache.resources()) { [weak self] _ in
            self?.settle()
            self?.loaded()
        }
    }

    // MARK: What is kept

    /// One write at a time, and of what waits only the newest.
    private func save() {
        guard config.state != nil else { return }
        isUnsaved = true
        write()
    }

    private func write() {
        guard isUnsaved, !isWriting, let path = config.state, let bytes = cache.saved() else { return }
        (isUnsaved, isWriting) = (false, true)
        let mailbox = supervisor.mailbox
        do throws(SystemError) {
            try LoopThread.start("state") { mailbox.post(.kept(StateFile(path: path).write(bytes))) }
        } catch {
            kept(error.description)
        }
    }

    func kept(_ failure: String?) {
        isWriting = false
        if let failure {
            supervisor.options.log(.error, "control plane: what is in force cannot be kept: \(failure)")
        }
        write()
    }
}
