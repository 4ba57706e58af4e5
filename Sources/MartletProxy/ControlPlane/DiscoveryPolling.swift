internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import MartletXDS

/// Discovery over REST: all types are asked in a round, and what the answers mention is asked for in the same one, so that a
/// change that spans several types is loaded together. Then comes a pause, and the next round.
final class DiscoveryPolling: DiscoverySource {
    private unowned let plane: ControlPlane
    private unowned let supervisor: Supervisor
    private let config: ControlPlaneConfig
    private var client: PollingClient
    /// Of the question; answers to an earlier one are late.
    private var question = 0
    private var unanswered: Set<ResourceType> = []
    private var bodies: [DiscoveryBody] = []
    private var offers: [DiscoveryOffer] = []
    private var faults: [String] = []
    /// Types with names that were not asked for yet.
    private var news: Set<ResourceType> = []
    private var isReading = false
    /// Questions of this round.
    private var questions = 0
    /// Routes mention secrets, and are mentioned by listeners: no chain of mentions is longer.
    private static let maxQuestions = 4
    private var failures = 0
    private var pause: TimerID?

    init(_ plane: ControlPlane, _ supervisor: Supervisor, _ config: ControlPlaneConfig, _ node: DiscoveryNode) {
        (self.plane, self.supervisor, self.config) = (plane, supervisor, config)
        client = PollingClient(node)
    }

    // MARK: Rounds

    func start() {
        pause = nil
        // What is being asked for meanwhile is heard first; the pause begins anew with it.
        guard !supervisor.isDraining, unanswered.isEmpty, !isReading else { return }
        (questions, news) = (0, [])
        ask(client.types)
    }

    private func ask(_ types: [ResourceType]) {
        question += 1
        questions += 1
        unanswered = Set(types)
        for type in types {
            supervisor.carry(
                .ask(
                    DiscoveryQuestion(
                        number: question, type: type, cluster: config.cluster.name, path: PollingClient.path(type),
                        body: client.request(type), timeout: config.requestTimeout)))
        }
    }

    func heard(_ news: DiscoveryNews) {
        switch news {
        case .answered(let question, let type, let answer):
            guard question == self.question, unanswered.remove(type) != nil else { return }
            take(answer, type)
            if unanswered.isEmpty { read() }
        case .read(let question, let results):
            guard question == self.question, isReading else { return }
            isReading = false
            for result in results {
                switch result {
                case .success(let offer): offers.append(offer)
                case .failure(let fault): faults.append(fault.description)
                }
            }
            answered()
        case .message, .ended: break
        }
    }

    private func take(_ answer: DiscoveryAnswer, _ type: ResourceType) {
        switch answer {
        case .response(status: 200, let body):
            guard client.isNew(type, body) else { return }
            client.received(type, body)
            bodies.append(DiscoveryBody(type: type, bytes: body))
        case .response(status: 304, _): client.receivedUnchanged(type)
        case .response(status: 404, _): if let offer = client.receivedNothing(type) { offers.append(offer) }
        case .response(let status, _): faults.append("\(PollingClient.path(type)) was answered with status \(status)")
        case .failure(let reason): faults.append("\(PollingClient.path(type)): \(reason)")
        }
    }

    /// Large answers take a while, and this thread has health checks to see to.
    private func read() {
        guard !bodies.isEmpty else { return answered() }
        let (bodies, question, mailbox) = (self.bodies, self.question, supervisor.mailbox)
        self.bodies = []
        isReading = true
        do throws(SystemError) {
            try LoopThread.start("discovery") {
                mailbox.post(.discovery(.read(question: question, bodies.map { $0.read() })))
            }
        } catch {
            isReading = false
            faults.append("the answers cannot be read: \(error.description)")
            answered()
        }
    }

    private func answered() {
        if faults.isEmpty { plane.connected() }
        plane.take()
        if unanswered.isEmpty, !isReading { end() }
    }

    /// The round is over, and what it brought is on its way.
    private func end() {
        guard pause == nil else { return }
        let next: Nanoseconds
        if faults.isEmpty {
            failures = 0
            // Not all proxies at once, and none later than was said.
            next = Nanoseconds(config.refresh * Double.random(in: 0.75...1))
        } else {
            failures += 1
            next = DiscoveryPause.backoff.wait(before: failures, random: .random(in: 0..<1))
            plane.lost(faults.sorted().joined(separator: "; "), next: next)
            faults = []
        }
        pause = supervisor.after(next) { [weak self] in self?.start() }
    }

    // MARK: Offers

    func take() -> [DiscoveryOffer] {
        defer { offers = [] }
        return offers
    }

    func subscribe(to cache: ResourceCache) -> Bool {
        for type in ResourceType.allCases where !type.isWildcard {
            if client.subscribe(type, to: cache.mentioned(type)) { news.insert(type) }
        }
        // Outside a round this is one of its own, before the pause is over.
        if pause != nil { questions = 0 }
        guard !news.isEmpty, unanswered.isEmpty, !isReading, questions < Self.maxQuestions, !supervisor.isDraining
        else { return true }
        let types = ResourceType.allCases.filter { news.contains($0) && client.types.contains($0) }
        news = []
        guard !types.isEmpty else { return true }
        ask(types)
        return false
    }

    func answer(_ offer: DiscoveryOffer, refusedFor reason: String?, isPartly: Bool) {
        client.answer(offer, refusedFor: reason, isPartly: isPartly)
    }
}
