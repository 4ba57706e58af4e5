import Foundation
import MartletControl
import Testing

@Suite("The registry of one process", .timeLimit(.minutes(2)))
struct LocalRegistryTests {
    /// One that runs, over a file.
    private func with(
        _ path: String, _ body: (RegistryBench) async throws -> Void
    ) async throws {
        let (clock, file) = (ManualClock(), try InstanceFile(path: path))
        defer { file.close() }
        try await RegistryKind.run(RegistryBench(LocalRegistry(file: file, clock: clock.clock), clock), body)
    }

    @Test("Who renews stays, to the moment")
    func renewal() async throws {
        try await RegistryKind.local.with { bench in
            let instance = try RegistryBench.instance("1", ttl: 10)
            try await bench.registry.register(instance)
            try await bench.registry.register(try RegistryBench.instance("2", 81, ttl: 10))
            await bench.clock.advance(.milliseconds(9_900))
            try await bench.registry.renew(instance.key)
            await bench.clock.advance(.milliseconds(100))
            await bench.lists(["1 10.0.0.1:80 healthy"])
            // To say how one is does not renew it.
            await bench.clock.advance(.seconds(5))
            try await bench.registry.setHealth(instance.key, .unhealthy)
            await bench.clock.advance(.milliseconds(4_900))
            await bench.lists([])
        }
    }

    @Test("After a restart everybody is there, with a full time to renew in")
    func restart() async throws {
        try await StoreFile.with { path in
            let one = try RegistryBench.instance("1", ttl: 10)
            try await with(path) { bench in
                try await bench.registry.register(one)
                try await bench.registry.register(try RegistryBench.instance("2", 81))
                try await bench.registry.setHealth(try RegistryBench.key("2"), .draining)
                try await bench.registry.register(try RegistryBench.instance("3", 82))
                try await bench.registry.deregister(try RegistryBench.key("3"))
                await bench.clock.advance(.milliseconds(9_999))
            }
            try await with(path) { bench in
                let first = await bench.told.first { _ in true }
                #expect(first?[one.key.service]?.first == one)
                await bench.lists(["1 10.0.0.1:80 healthy", "2 10.0.0.1:81 draining"])
                await bench.clock.advance(.milliseconds(9_999))
                #expect(try await bench.registry.renew(one.key) == one)
                await bench.clock.advance(.seconds(10))
                await bench.lists(["2 10.0.0.1:81 draining"])
                // Whatever was being written down when the time was over is written when the next is.
                try await bench.registry.register(try RegistryBench.instance("4", 83))
            }
            try await with(path) { bench in
                await bench.lists(["2 10.0.0.1:81 draining", "4 10.0.0.1:83 healthy"])
            }
        }
    }

    @Test("When the control plane itself stood still, nobody is taken out for it")
    func standstill() async throws {
        try await RegistryKind.local.with { bench in
            let instance = try RegistryBench.instance("1", ttl: 10)
            try await bench.registry.register(instance)
            await bench.clock.advance(.seconds(5))
            bench.clock.jump(.seconds(60))
            await bench.clock.advance(.seconds(3))
            #expect(try await bench.registry.renew(instance.key) == instance)
            await bench.clock.advance(.seconds(10))
            await bench.lists([])
        }
    }

    @Test("To renew writes nothing")
    func quiet() async throws {
        try await StoreFile.with { path in
            try await with(path) { bench in
                let instance = try RegistryBench.instance("1")
                try await bench.registry.register(instance)
                let log = URL(fileURLWithPath: path + "-wal")
                let before = try Data(contentsOf: log)
                for _ in 0..<100 { try await bench.registry.renew(instance.key) }
                try await bench.registry.register(instance)
                #expect(try Data(contentsOf: log) == before)
                try await bench.registry.setHealth(instance.key, .unhealthy)
                #expect(try Data(contentsOf: log) != before)
            }
        }
    }

    @Test("Only one process has the file, and only its user may read it")
    func file() async throws {
        try await StoreFile.with { path in
            let file = try InstanceFile(path: path)
            defer { file.close() }
            #expect(throws: StoreError.inUse(path)) { try InstanceFile(path: path) }
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("A service has a bound")
    func full() async throws {
        try await RegistryKind.local.with { bench in
            let registry = LocalRegistry(clock: bench.clock.clock)
            for index in 0..<10_000 { try await registry.register(try RegistryBench.instance("\(index)")) }
            await #expect(throws: RegistryError.full(ServiceName("shop", "api"))) {
                try await registry.register(try RegistryBench.instance("more"))
            }
            // Who is there may change.
            try await registry.register(try RegistryBench.instance("7", 81))
        }
    }
}
