internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletXDS

/// The aggregated stream (ADS).
///
///     away ──▶ streaming ──▶ away, tried again after a pause
final class DiscoveryStream: DiscoverySource {
    private unowned let plane: ControlPlane
    private unowned let supervisor: Supervisor
    private let cluster: String
    private var client: DiscoveryClient
    private var arrived: [[UInt8]] = []
    private var stream = 0
    /// The one by which came what was taken last.
    private var takenFrom = 0
    private var isStreaming = false
    /// Streams that ended without a word since the last that brought one.
    private var failures = 0

    /// Resources of ten thousand clusters come in one message.
    private static let maxMessage = ByteCount.mebibytes(256)

    init(_ plane: ControlPlane, _ supervisor: Supervisor, _ config: ControlPlaneConfig, _ node: DiscoveryNode) {
        (self.plane, self.supervisor) = (plane, supervisor)
        cluster = config.cluster.name
        client = DiscoveryClient(config.method == .delta ? .delta : .stateOfTheWorld, node)
    }

    func start() {
        guard !supervisor.isDraining else { return }
        stream = plane.newStream()
        isStreaming = true
        arrived = []
        supervisor.carry(
            .open(
                DiscoveryCall(stream: stream, cluster: cluster, path: client.method.path, maxMessage: Self.maxMessage)))
        for message in client.open(held: plane.held) { send(message) }
        plane.opened()
    }

    private func send(_ message: [UInt8]?) {
        guard isStreaming, let message else { return }
        supervisor.carry(.send(stream: stream, message))
    }

    func heard(_ news: DiscoveryNews) {
        switch news {
        case .message(let stream, let bytes):
            guard stream == self.stream, isStreaming else { return }
            failures = 0
            arrived.append(bytes)
            plane.connected()
            plane.take()
        case .ended(let stream, _, let reason):
            guard stream == self.stream, isStreaming else { return }
            lost(reason)
        case .answered, .read: break
        }
    }

    private func lost(_ reason: String) {
        isStreaming = false
        arrived = []
        failures += 1
        // Each proxy another share of it, so that a thousand that lost their control plane do not come back at once.
        let next = DiscoveryPause.backoff.wait(before: failures, random: .random(in: 0..<1))
        plane.lost(reason, next: next)
        supervisor.after(next) { [weak self] in self?.start() }
    }

    func take() -> [DiscoveryOffer] {
        let messages = arrived
        (arrived, takenFrom) = ([], stream)
        var offers: [DiscoveryOffer] = []
        for message in messages {
            do throws(DiscoveryClient.Unreadable) {
                if let offer = try client.received(message) { offers.append(offer) }
            } catch {
                supervisor.carry(.close(stream: stream))
                lost(error.description)
                return []
            }
        }
        return offers
    }

    func subscribe(to cache: ResourceCache) -> Bool {
        for type in ResourceType.allCases where !type.isWildcard {
            send(client.subscribe(type, to: cache.mentioned(type), held: cache.held(type)))
        }
        return true
    }

    /// Answers to what came by a stream that is over are for nobody.
    func answer(_ offer: DiscoveryOffer, refusedFor reason: String?, isPartly: Bool) {
        let message = client.answer(offer, refusedFor: reason)
        if takenFrom == stream { send(message) }
    }
}
