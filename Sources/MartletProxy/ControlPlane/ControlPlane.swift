internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import MartletXDS

/// Keeps a proxy at what its control plane says: puts in force what it is offered, and answers each offer when that is done.
/// On the supervisor's thread. How it asks and hears is its source's.
///
///     idle ──offers──▶ loading ──in force──▶ acknowledged
///                         └──errors──▶ the resources that have them are refused, and the rest is loaded
///
/// Several responses that came together are loaded together: routes, clusters and endpoints change at one stroke.
final class ControlPlane {
    private unowned let supervisor: Supervisor
    private let config: ControlPlaneConfig
    private let version: String
    private lazy var source: any DiscoverySource = makeSource()
    /// Nil: over REST there are none.
    private lazy var reports = config.method == .rest ? nil : ReportStream(self, supervisor, config, node)
    private var streams = 0
    /// In force, or being put in force.
    private var cache = ResourceCache()
    /// Offers that wait for what they mention, which is being asked for.
    private var taken: [DiscoveryOffer] = []
    private var isLoading = false
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
    /// Its listeners are in force. Nobody is let in before the first configuration is whole: clusters may be missing that its
    /// routes lead to.
    private var isOpen = false
    var settled: () -> Void = {}
    private(set) var status = ControlPlaneStatus()
    private var versions = VersionsInForce()

    init(_ supervisor: Supervisor, _ config: ControlPlaneConfig, version: String) {
        (self.supervisor, self.config, self.version) = (supervisor, config, version)
    }

    private var node: DiscoveryNode {
        var node = DiscoveryNode(id: config.node.id, cluster: config.node.cluster, version: version)
        node.region = config.node.region
        node.zone = config.node.zone
        node.labels = config.node.labels
        return node
    }

    private func makeSource() -> any DiscoverySource {
        switch config.method {
        case .delta, .stateOfTheWorld: DiscoveryStream(self, supervisor, config, node)
        case .rest: DiscoveryPolling(self, supervisor, config, node)
        }
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
            return resources(of: &self.cache)
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
            isOpen = true
            settle()
        }
        source.start()
    }

    private func settle() {
        guard !isSettled else { return }
        isSettled = true
        if isOpen { settled() } else { open() }
    }

    /// Without a whole configuration, for none came in time.
    private func open() {
        // Else when that is done.
        guard isSettled, !isOpen, !isLoading else { return }
        isLoading = true
        supervisor.load(resources(of: &cache)) { [weak self] result in
            guard let self else { return }
            if case .failure(let failure) = result, self.forget(failure.errors) {
                self.isLoading = false
                return self.open()
            }
            if case .success = result { self.noteForce() }
            self.isOpen = true
            self.settled()
            self.loaded()
        }
    }

    /// Listeners that were acknowledged while they were only checked, and then cannot be opened: with them nothing that comes
    /// later could be loaded. Whether there was one.
    private func forget(_ errors: [ConfigError]) -> Bool {
        var isAny = false
        for error in errors {
            supervisor.options.log(.warning, "control plane: \(error)")
            guard let name = ResourceName(of: error), name.type == .listener,
                cache.held(.listener)[name.name] != nil
            else { continue }
            cache.revert(.listener, name.name, to: ResourceCache())
            isAny = true
        }
        return isAny
    }

    // MARK: The source

    var held: [ResourceType: [String: HeldResource]] { cache.held }

    func heard(_ news: DiscoveryNews) {
        source.heard(news)
        reports?.heard(news)
    }

    /// No two streams to the control plane have one number.
    func newStream() -> Int {
        streams += 1
        return streams
    }

    /// A stream has begun, and nothing has been heard yet.
    func opened() { reports?.begin() }

    func connected() {
        if !status.isConnected { supervisor.options.log(.info, "control plane: connected") }
        status.isConnected = true
        reports?.connected()
    }

    func lost(_ reason: String, next: Nanoseconds) {
        status.isConnected = false
        status.lastEnd = reason
        reports?.lost()
        supervisor.options.log(
            .warning, "control plane: \(reason); what is in force stays, next try in \(next.milliseconds) ms")
    }

    // MARK: Offers

    /// Loads what has arrived, all together, unless a load is under way.
    func take() {
        guard !isLoading else { return }
        for offer in source.take() {
            if let fault = offer.fault { refuse(offer, fault) } else { taken.append(offer) }
        }
        guard !taken.isEmpty else { return }
        var candidate = cache
        for offer in taken { candidate.apply(offer) }
        // Before it can be used.
        guard source.subscribe(to: candidate) else { return }
        let offers = taken
        taken = []
        load(offers, candidate, refused: [:])
    }

    private func refuse(_ offer: DiscoveryOffer, _ reason: String, isPartly: Bool = false) {
        status.refused += 1
        let words = "\(offer.type.rawValue) of version \"\(offer.version)\": \(reason)"
        status.lastRefusal = words
        supervisor.options.log(.error, "control plane: refused \(words)")
        source.answer(offer, refusedFor: reason, isPartly: isPartly)
    }

    private var origin: ResourceOrigin {
        ResourceOrigin(polledCluster: config.method == .rest ? config.cluster.name : nil)
    }

    private func resources(of cache: inout ResourceCache) -> MeshResources {
        var resources = cache.resources()
        resources.origin = origin
        return resources
    }

    /// - Parameter isWarming: something waits for what it mentions.
    private func isWhole(hearing offers: [DiscoveryOffer], isWarming: Bool) -> Bool {
        // Who has no listeners yet need not wait for routes.
        !isWarming && heard.union(offers.map(\.type)).isSuperset(of: [.listener, .cluster])
    }

    /// - Parameter refused: why, by the resources that a try before this one found wrong.
    private func load(
        _ offers: [DiscoveryOffer], _ candidate: ResourceCache, refused: [ResourceName: [String]]
    ) {
        isLoading = true
        var candidate = candidate
        let resources = resources(of: &candidate)
        let opens = isOpen || isSettled || isWhole(hearing: offers, isWarming: candidate.isWarming)
        var warming = candidate.warming()
        warming?.origin = origin
        // What is kept back is sound all the same.
        let checked = warming ?? (opens ? nil : resources)
        supervisor.load(opens ? resources : resources.withoutListeners, checking: checked) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success:
                self.isOpen = opens
                self.inForce(candidate, offers, refused)
            case .failure(let failure):
                self.tryWithout(failure.errors, offers, candidate, refused)
            }
        }
    }

    /// The resources that are at fault stay as they were, and the rest is tried again; without any to blame nothing is used.
    private func tryWithout(
        _ errors: [ConfigError], _ offers: [DiscoveryOffer], _ candidate: ResourceCache,
        _ refused: [ResourceName: [String]]
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
        if isAny { return load(offers, next, refused: reasons) }
        let all = errors.map(\.description).joined(separator: "\n")
        for offer in offers { refuse(offer, all) }
        source.subscribe(to: cache)
        let before = resources(of: &cache)
        supervisor.stay(with: isOpen ? before : before.withoutListeners)
        loaded()
    }

    private func inForce(
        _ candidate: ResourceCache, _ offers: [DiscoveryOffer], _ refused: [ResourceName: [String]]
    ) {
        cache = candidate
        cache.forgetUnmentioned()
        for offer in offers {
            let reasons = refused.filter { $0.key.type == offer.type && offer.changed[$0.key.name] != nil }
            if reasons.isEmpty {
                status.accepted += 1
                status.versions[offer.type.rawValue] = offer.version
                versions.accept(offer.version, offer.type)
                source.answer(offer, refusedFor: nil, isPartly: false)
            } else {
                let words = reasons.sorted { $0.key.name < $1.key.name }.flatMap(\.value)
                refuse(offer, words.joined(separator: "\n"), isPartly: true)
            }
        }
        noteForce()
        source.subscribe(to: cache)
        save()
        watchWarming()
        if isWhole(hearing: offers, isWarming: cache.isWarming) { settle() }
        heard.formUnion(offers.map(\.type))
        loaded()
    }

    private func noteForce() {
        let waiting = cache.waitingNames
        versions.update(waiting: waiting)
        status.waiting = waiting.values.reduce(0) { $0 + $1.count }
        status.inForce = Dictionary(
            uniqueKeysWithValues: versions.states.map { ($0.key.rawValue, $0.value.version) })
        reports?.changed()
    }

    /// By type, on all workers.
    var inForce: [ResourceType: ProxyReport.State] { versions.states }

    /// Of the policies that came from the control plane, by name.
    var policyVersions: [String: String] { cache.held(.extension).mapValues(\.version) }

    private func loaded() {
        isLoading = false
        open()
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
        supervisor.load(resources(of: &cache)) { [weak self] result in
            switch result {
            case .success: self?.noteForce()
            case .failure(let failure): _ = self?.forget(failure.errors)
            }
            self?.isOpen = true
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
