import Foundation
import MartletTesting
import Testing

/// Processes of the control plane are killed with SIGKILL, at moments that a seed says, while changes are made and requests
/// answered. `make chaos` makes 500 changes; MARTLET_CHAOS_CHANGES says how many, MARTLET_CHAOS_SEED which moments.
@Suite("Whatever of the control plane is killed", .serialized)
struct ChaosTests {
    /// SplitMix64.
    struct Dice: RandomNumberGenerator {
        let seed: UInt64
        private var state: UInt64

        init() {
            seed =
                ProcessInfo.processInfo.environment["MARTLET_CHAOS_SEED"].flatMap { UInt64($0) }
                ?? .random(in: 0...9999)
            state = seed
        }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }

        mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
    }

    private static let changes =
        ProcessInfo.processInfo.environment["MARTLET_CHAOS_CHANGES"].flatMap { Int($0) } ?? 60

    /// Runs `body`, and kills what `victim` says at some moment of the time that it takes, or soon after.
    private func during<Value>(_ dice: inout Dice, kill victim: Int32?, _ body: () throws -> Value) rethrows -> Value {
        guard let victim else { return try body() }
        let isDone = DispatchSemaphore(value: 0)
        let delay = DispatchTimeInterval.microseconds(.random(in: 0..<150_000, using: &dice))
        DispatchQueue.global().asyncAfter(deadline: .now() + delay) {
            _ = Foundation.kill(victim, SIGKILL)
            isDone.signal()
        }
        defer { isDone.wait() }
        return try body()
    }

    @Test(
        "One control plane with its store in a file: nothing acknowledged is lost, no request fails, all proxies converge"
    )
    func one() throws {
        var dice = Dice()
        print("chaos of one control plane: seed \(dice.seed)")
        let server = try ControlProcess(
            xds: "127.0.0.1:\(TCPListener.freePort())", address: "127.0.0.1:\(TCPListener.freePort())"
        ).start()
        let mesh = try ChaosMesh([server])
        try #require(try mesh.converges(on: 0))
        let loads = mesh.ports.map { SteadyLoad(port: $0, pause: 5) }
        var kills = 0
        for number in 1...Self.changes {
            let isKilled = dice.isOne(in: 6)
            _ = try during(&dice, kill: isKilled ? server.processID : nil) { try mesh.apply(number, at: server) }
            guard isKilled else { continue }
            kills += 1
            try server.start()
        }
        let last = Self.changes + 1
        #expect(try mesh.apply(last, at: server))
        #expect(try mesh.converges(on: last), "seed \(dice.seed)")
        #expect(loads.map { $0.stop() } == [0, 0, 0], "seed \(dice.seed)")
        #expect(loads.allSatisfy { $0.sent > 0 } && kills > 0 && mesh.acknowledged.count > Self.changes / 2)
        #expect(try mesh.losses(server).isEmpty, "seed \(dice.seed)")
        print("\(kills) kills, \(mesh.acknowledged.count) acknowledged, \(loads.map(\.sent)) requests")
    }

    @Test("Two replicas over etcd, killed as etcd is: the same, and a proxy goes to the replica that is left")
    func replicas() throws {
        var dice = Dice()
        print("chaos of replicas: seed \(dice.seed)")
        let etcd = try EtcdProcess()
        let servers = try (0..<2).map { _ in
            try ControlProcess(
                xds: "127.0.0.1:\(TCPListener.freePort())", address: "127.0.0.1:\(TCPListener.freePort())",
                store: "{ etcd: { endpoints: [\"127.0.0.1:\(etcd.port)\"] } }"
            ).start()
        }
        let mesh = try ChaosMesh(servers)
        try #require(try mesh.converges(on: 0))
        let loads = mesh.ports.map { SteadyLoad(port: $0, pause: 5) }
        var dead: Int?
        var kills = (etcd: 0, replicas: 0)
        for number in 1...Self.changes {
            let asked = dead.map { 1 - $0 } ?? Int.random(in: 0..<2, using: &dice)
            if dice.isOne(in: 8) {
                kills.etcd += 1
                _ = try during(&dice, kill: etcd.processID) { try mesh.apply(number, at: servers[asked]) }
                try etcd.start()
            } else if dead == nil, dice.isOne(in: 6) {
                // The one that is asked, or the other.
                let victim = Int.random(in: 0..<2, using: &dice)
                kills.replicas += 1
                _ = try during(&dice, kill: servers[victim].processID) { try mesh.apply(number, at: servers[asked]) }
                dead = victim
            } else {
                _ = try mesh.apply(number, at: servers[asked])
            }
            // A replica is away for some changes.
            if let victim = dead, dice.isOne(in: 4) {
                try servers[victim].start()
                dead = nil
            }
        }
        // With one replica that is gone for good.
        let left = dead.map { 1 - $0 } ?? 0
        servers[1 - left].kill()
        let last = Self.changes + 1
        #expect(try eventually { try mesh.apply(last, at: servers[left]) }, "seed \(dice.seed)")
        #expect(try mesh.converges(on: last), "seed \(dice.seed)")
        #expect(loads.map { $0.stop() } == [0, 0, 0], "seed \(dice.seed)")
        #expect(loads.allSatisfy { $0.sent > 0 } && mesh.acknowledged.count > Self.changes / 2)
        #expect(kills.etcd > 0 && kills.replicas > 0, "\(kills)")
        #expect(try mesh.losses(servers[left]).isEmpty, "seed \(dice.seed)")
        print("\(kills), \(mesh.acknowledged.count) acknowledged, \(loads.map(\.sent)) requests")
    }
}
