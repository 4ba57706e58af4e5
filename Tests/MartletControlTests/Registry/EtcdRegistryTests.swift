import MartletControl
import MartletTesting
import Testing

@Suite("The registry in etcd", .timeLimit(.minutes(2)))
struct EtcdRegistryTests {
    @Test("Processes know of each other's instances, and any of them renews")
    func two() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let clock = ManualClock()
        let one = RegistryBench(EtcdRegistry(endpoints: [server.endpoint], clock: clock.clock), clock)
        let other = RegistryBench(EtcdRegistry(endpoints: [server.endpoint], clock: clock.clock), clock)
        try await RegistryKind.run(one) { one in
            try await RegistryKind.run(other) { other in
                let instance = try RegistryBench.instance("1")
                try await one.registry.register(instance)
                #expect(try await other.registry.renew(instance.key) == instance)
                await other.lists(["1 10.0.0.1:80 healthy"])
                try await other.registry.setHealth(instance.key, .draining)
                await one.lists(["1 10.0.0.1:80 draining"])
                // With another ttl it has another lease, and the old one's end is not its end.
                try await other.registry.register(try RegistryBench.instance("1", 81, ttl: 60))
                await one.lists(["1 10.0.0.1:81 healthy"])
                #expect(try await one.registry.renew(instance.key).ttl == 60)
                try await one.registry.deregister(instance.key)
                await other.lists([])
                await #expect(throws: RegistryError.notRegistered(instance.key)) {
                    try await other.registry.renew(instance.key)
                }
            }
        }
    }

    @Test("While etcd is away what is known stays; who could not renew meanwhile has their time once more")
    func away() async throws {
        let port = try TCPListener.freePort()
        let server = try await EtcdServer(port: port)
        defer { server.stop() }
        let clock = ManualClock()
        let bench = RegistryBench(EtcdRegistry(endpoints: [server.endpoint], clock: clock.clock), clock)
        try await RegistryKind.run(bench) { bench in
            for id in ["1", "2"] { try await bench.registry.register(try RegistryBench.instance(id, ttl: 15)) }
            server.stop()
            let known = ["1 10.0.0.1:80 healthy", "2 10.0.0.1:80 healthy"]
            await #expect(throws: RegistryError.self) { try await bench.registry.renew(try RegistryBench.key("1")) }
            await clock.advance(.seconds(3600))
            #expect(await bench.listed() == known)
            // One that has forgotten everybody.
            let next = try await EtcdServer(port: port)
            defer { next.stop() }
            let back = try RegistryBench.instance("1", 81, ttl: 15)
            try await bench.registry.register(back)
            await bench.lists(["1 10.0.0.1:81 healthy", "2 10.0.0.1:80 healthy"])
            await #expect(throws: RegistryError.notRegistered(try RegistryBench.key("2"))) {
                try await bench.registry.renew(try RegistryBench.key("2"))
            }
            await clock.advance(.seconds(15))
            await bench.lists(["1 10.0.0.1:81 healthy"])
        }
    }
}
