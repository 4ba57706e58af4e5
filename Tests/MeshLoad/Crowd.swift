import Dispatch
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MartletCore
import MartletXDS
import Synchronization

/// What one of them has seen.
struct Seen: Sendable {
    /// When it had a whole configuration.
    var whole: Int64?
    /// When it got what all were to look out for.
    var noted: Int64?
}

/// What all of them have seen.
struct Sightings: Sendable {
    private(set) var each: [Seen]
    private var (whole, noted) = (0, 0)

    init(_ count: Int) { each = Array(repeating: Seen(), count: count) }

    mutating func forgetNoted() {
        for index in each.indices { each[index].noted = nil }
        noted = 0
    }

    /// Whether that was the last of all.
    mutating func add(_ index: Int, isWhole: Bool, isNoted: Bool, arrivedAt arrival: Int64) -> Bool {
        var isLast = false
        if isWhole, each[index].whole == nil {
            each[index].whole = Moment.now
            whole += 1
            isLast = whole == each.count
        }
        if isNoted, each[index].noted == nil {
            each[index].noted = arrival
            noted += 1
            isLast = isLast || noted == each.count
        }
        return isLast
    }
}

/// Many simulated proxies.
final class Crowd: Sendable {
    private let host: String
    private let port: Int
    private let count: Int
    private let seen: Locked<Sightings>
    private let sought = Locked<(type: ResourceType, name: String)?>(nil)
    private let running = Locked<[Task<Void, Never>]>([])

    /// Rings when the last of them has seen something, and when patience is over.
    private let bell = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    private static let patience = DispatchTimeInterval.seconds(60)

    init(host: String, port: Int, count: Int) {
        (self.host, self.port, self.count) = (host, port, count)
        seen = Locked(Sightings(count))
    }

    func connect() async {
        seen.withLock { $0 = Sightings(count) }
        let tasks = (0..<count).map { index in
            Task {
                do { try await serve(index) } catch is CancellationError {} catch { print("\(index): \(error)") }
            }
        }
        running.withLock { $0 = tasks }
    }

    func drop() async {
        let tasks = running.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    func arm(_ type: ResourceType, _ name: String) {
        sought.withLock { $0 = (type, name) }
        seen.withLock { $0.forgetNoted() }
    }

    /// `count=1000 p50=1.2 p99=3.4 max=5.6`, in milliseconds, once all have seen it or are waited for no more.
    func times(since start: Int64, of moment: @Sendable (Seen) -> Int64?) async -> String {
        let deadline = DispatchTime.now() + Self.patience
        let bell = bell
        bell.continuation.yield()
        DispatchQueue.global().asyncAfter(deadline: deadline) { bell.continuation.yield() }
        var times: [Int64] = []
        for await _ in bell.stream {
            times = seen.withLock { $0.each.compactMap { moment($0) } }
            if times.count == count || DispatchTime.now() >= deadline { break }
        }
        times.sort()
        func at(_ share: Double) -> String {
            guard !times.isEmpty else { return "none" }
            let time = times[min(times.count - 1, Int(Double(times.count) * share))] - start
            return "\(Double(time / 10_000) / 100)"
        }
        return "count=\(times.count) p50=\(at(0.5)) p99=\(at(0.99)) max=\(at(1))"
    }

    // MARK: One of them

    private func serve(_ index: Int) async throws {
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: host, port: port), transportSecurity: .plaintext)
        let method = MethodDescriptor(
            fullyQualifiedService: "envoy.service.discovery.v3.AggregatedDiscoveryService",
            method: "DeltaAggregatedResources")
        let node = DiscoveryNode(id: "simulated-\(index)", cluster: "simulated", version: "0.1.0")
        try await withGRPCClient(transport: transport) { client in
            let (requests, feed) = AsyncStream.makeStream(of: [UInt8].self)
            try await client.bidirectionalStreaming(
                request: StreamingClientRequest { writer in
                    for await request in requests { try await writer.write(request) }
                }, descriptor: method, serializer: Plain(), deserializer: Plain(), options: .defaults
            ) { response in
                var proxy = SimulatedProxy(DiscoveryClient(.delta, node))
                for request in proxy.open() { feed.yield(request) }
                for try await message in response.messages {
                    let arrival = Moment.now
                    let (offer, answers) = try proxy.take(message)
                    for answer in answers { feed.yield(answer) }
                    if let offer { self.note(index, offer, isWhole: proxy.isWhole, arrivedAt: arrival) }
                }
            }
        }
    }

    private func note(_ index: Int, _ offer: DiscoveryOffer, isWhole: Bool, arrivedAt arrival: Int64) {
        let isSought = sought.withLock { sought in
            sought.map { $0.type == offer.type && offer.changed[$0.name] != nil } ?? false
        }
        let isLast = seen.withLock { $0.add(index, isWhole: isWhole, isNoted: isSought, arrivedAt: arrival) }
        if isLast { bell.continuation.yield() }
    }
}

/// A proxy's side of a stream, with the code of a proxy.
private struct SimulatedProxy {
    private var client: DiscoveryClient
    private var cache = ResourceCache()
    /// From then on nothing is looked at twice: what a proxy does for itself is not to take the cores from the control plane.
    private(set) var isWhole = false

    init(_ client: DiscoveryClient) { self.client = client }

    mutating func open() -> [[UInt8]] { client.open(held: [:]) }

    /// What was offered, and what is to be sent.
    mutating func take(_ message: [UInt8]) throws -> (DiscoveryOffer?, [[UInt8]]) {
        guard let offer = try client.received(message) else { return (nil, []) }
        cache.apply(offer)
        var answers = [client.answer(offer, refusedFor: nil)]
        // Others mention nothing.
        let mentionsOthers = offer.type.isWildcard || offer.type == .routes
        if !isWhole {
            isWhole = !cache.isWarming && !cache.held(.listener).isEmpty && !cache.held(.cluster).isEmpty
        }
        for type in ResourceType.allCases where !type.isWildcard && mentionsOthers {
            answers.append(client.subscribe(type, to: cache.mentioned(type), held: cache.held(type)))
        }
        return (offer, answers.compactMap { $0 })
    }
}

/// Messages as they are.
private struct Plain: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        // They are copied while they are lent.
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
}
