import Foundation
import MartletControl

/// A registry that runs, and what it has told of.
struct RegistryBench {
    typealias Changes = [ServiceName: [Instance]]

    let registry: any InstanceRegistry
    let told: AsyncStream<Changes>
    let clock: ManualClock
    private let running: Task<Void, Never>

    init(_ registry: any InstanceRegistry, _ clock: ManualClock) {
        (self.registry, self.clock) = (registry, clock)
        let (stream, feed) = AsyncStream.makeStream(of: Changes.self)
        told = stream
        running = Task { await registry.run { feed.yield($0) } }
    }

    func end() async {
        running.cancel()
        await running.value
    }

    /// `ID ADDRESS HEALTH` of each that is known.
    func listed() async -> [String] {
        await registry.instances(namespace: nil, service: nil).map { "\($0.key.id) \($0.address) \($0.health)" }
    }

    /// Returns once the list is this, each time that something was told.
    func lists(_ expected: [String]) async {
        if await listed() == expected { return }
        for await _ in told where await listed() == expected { return }
    }

    static func instance(
        _ id: String, _ port: Int = 80, ttl: Int = 3600, health: Instance.Health = .healthy
    ) throws -> Instance {
        try Instance(
            InstanceKey("shop", "api", id), address: "10.0.0.1:\(port)", weight: 2, zone: "a", health: health,
            labels: ["version": "2"], ttl: ttl)
    }

    static func key(_ id: String) throws -> InstanceKey { try InstanceKey("shop", "api", id) }
}

/// The registries that the suite runs against.
enum RegistryKind: CaseIterable {
    case local
    case etcd

    /// Hands one that runs to `body`, and leaves nothing behind.
    func with(_ body: (RegistryBench) async throws -> Void) async throws {
        let clock = ManualClock()
        switch self {
        case .local:
            try await StoreFile.with { path in
                let file = try InstanceFile(path: path)
                defer { file.close() }
                let bench = RegistryBench(LocalRegistry(file: file, clock: clock.clock), clock)
                try await Self.run(bench, body)
            }
        case .etcd:
            let server = try await EtcdServer()
            defer { server.stop() }
            let bench = RegistryBench(EtcdRegistry(endpoints: [server.endpoint], clock: clock.clock), clock)
            try await Self.run(bench, body)
        }
    }

    static func run(_ bench: RegistryBench, _ body: (RegistryBench) async throws -> Void) async throws {
        do { try await body(bench) } catch {
            await bench.end()
            throw error
        }
        await bench.end()
    }
}
