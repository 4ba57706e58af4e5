import MartletControl
import Testing

@Suite("Registries of instances", .timeLimit(.minutes(2)))
struct RegistryTests {
    @Test("First all that there is is told, be it nothing", arguments: RegistryKind.allCases)
    func start(_ kind: RegistryKind) async throws {
        try await kind.with { bench in #expect(await bench.told.first { _ in true } == [:]) }
    }

    @Test(
        "An instance registers, changes, renews, drains and goes, and each change is told",
        arguments: RegistryKind.allCases)
    func life(_ kind: RegistryKind) async throws {
        try await kind.with { bench in
            let (registry, one) = (bench.registry, try RegistryBench.instance("1"))
            try await registry.register(one)
            await bench.lists(["1 10.0.0.1:80 healthy"])
            #expect(await registry.instances(namespace: "shop", service: "api") == [one])
            #expect(await registry.instances(namespace: "shop", service: "web") == [])
            #expect(await registry.instances(namespace: "other", service: nil) == [])
            #expect(try await registry.renew(one.key) == one)
            // The same once more is no change, another address is.
            try await registry.register(one)
            try await registry.register(try RegistryBench.instance("1", 81, ttl: 60))
            try await registry.register(try RegistryBench.instance("2"))
            await bench.lists(["1 10.0.0.1:81 healthy", "2 10.0.0.1:80 healthy"])
            #expect(try await registry.renew(one.key).ttl == 60)

            #expect(try await registry.setHealth(one.key, .draining).health == .draining)
            await bench.lists(["1 10.0.0.1:81 draining", "2 10.0.0.1:80 healthy"])
            #expect(try await registry.renew(one.key).health == .draining)
            #expect(try await registry.deregister(one.key).key == one.key)
            await bench.lists(["2 10.0.0.1:80 healthy"])
            // The last of what was told is how it is.
            for await changes in bench.told where changes[one.key.service]?.map(\.key.id) == ["2"] { break }
        }
    }

    @Test("Who is not registered is told so, whatever it asks", arguments: RegistryKind.allCases)
    func unknown(_ kind: RegistryKind) async throws {
        try await kind.with { bench in
            let key = try RegistryBench.key("1")
            await #expect(throws: RegistryError.notRegistered(key)) { try await bench.registry.renew(key) }
            await #expect(throws: RegistryError.notRegistered(key)) {
                try await bench.registry.setHealth(key, .healthy)
            }
            await #expect(throws: RegistryError.notRegistered(key)) { try await bench.registry.deregister(key) }
        }
    }

    @Test("Who does not renew is taken out, and comes back by registering", arguments: RegistryKind.allCases)
    func expiry(_ kind: RegistryKind) async throws {
        try await kind.with { bench in
            let short = try RegistryBench.instance("short", 81, ttl: 1)
            try await bench.registry.register(short)
            try await bench.registry.register(try RegistryBench.instance("long"))
            // etcd has a clock of its own.
            await bench.clock.advance(.seconds(1))
            await bench.lists(["long 10.0.0.1:80 healthy"])
            await #expect(throws: RegistryError.notRegistered(short.key)) {
                try await bench.registry.renew(short.key)
            }
            try await bench.registry.register(try RegistryBench.instance("short", 81))
            await bench.lists(["long 10.0.0.1:80 healthy", "short 10.0.0.1:81 healthy"])
        }
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("10.0.0.1", 1, 15, "address: \"10.0.0.1\" has no port"),
            ("api.internal:80", 1, 15, "is not an IP address"),
            ("0.0.0.0:80", 1, 15, "no address to connect to"), ("unix:/run/a.sock", 1, 15, "a socket's path"),
            ("10.0.0.1:80", 0, 15, "weight is 1 to 128"), ("10.0.0.1:80", 129, 15, "weight is 1 to 128"),
            ("10.0.0.1:80", 1, 0, "ttl_seconds is 1 to 3600"), ("10.0.0.1:80", 1, 3601, "ttl_seconds is 1 to 3600"),
        ])
    func invalid(_ address: String, _ weight: Int, _ ttl: Int, _ words: String) throws {
        let error = #expect(throws: RegistryError.self) {
            try Instance(try RegistryBench.key("1"), address: address, weight: weight, ttl: ttl)
        }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("Labels, zones and names have bounds")
    func bounds() throws {
        let key = try RegistryBench.key("1")
        let many = Dictionary(uniqueKeysWithValues: (0...Instance.labelLimit).map { ("l\($0)", "") })
        for (zone, labels) in [
            ("", many), ("", ["": "x"]), ("", ["a": "x\ny"]), (String(repeating: "z", count: 254), [:]),
        ] {
            #expect(throws: RegistryError.self) {
                try Instance(key, address: "10.0.0.1:80", zone: zone, labels: labels)
            }
        }
        for id in ["", "a/b", "a b"] { #expect(throws: RegistryError.self) { try InstanceKey("shop", "api", id) } }
    }
}
