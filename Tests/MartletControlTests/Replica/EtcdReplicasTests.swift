import MartletControl
import MartletCore
import MartletTesting
import Synchronization
import Testing

@Suite("Replicas that know of each other by etcd", .timeLimit(.minutes(2)))
struct EtcdReplicasTests {
    /// One that takes part, and whom it has asked.
    private final class Member: Sendable {
        private final class Calls: Sendable {
            let names = Locked<[String]>([])
        }

        let replicas: EtcdReplicas
        private let calls: Calls
        private let running: Task<Void, Never>

        /// - Parameter answers: false: it throws.
        init(_ server: EtcdEndpoint, _ url: String?, clock: RegistryClock = .machine, answers: Bool = true) {
            let calls = Calls()
            self.calls = calls
            let replicas = EtcdReplicas(endpoints: [server], clock: clock) { replica in
                calls.names.withLock { $0.append(replica.name) }
                guard answers else { throw EtcdReplicasTests.Silence() }
                return ReplicaView()
            }
            self.replicas = replicas
            running = Task { await replicas.run() }
            replicas.announce(url: url)
        }

        var asked: [String] { calls.names.withLock { $0 } }

        func end() async {
            running.cancel()
            await running.value
        }
    }

    private struct Silence: Error {}

    private func until(_ condition: () async -> Bool) async { while await !condition() { await Task.yield() } }

    @Test("The one that came first leads, and when it ends another; each asks all others")
    func leads() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let first = Member(server.endpoint, "http://10.0.0.1:1")
        await until { first.replicas.isLeader }
        let second = Member(server.endpoint, "http://10.0.0.2:1")
        await until { second.replicas.leader == first.replicas.own.id }
        #expect(!second.replicas.isLeader)
        await until { await first.replicas.others().map(\.replica) == [second.replicas.own] }
        #expect(await second.replicas.others().allSatisfy { $0.view != nil })
        #expect(second.asked == ["http://10.0.0.1:1"])
        await first.end()
        await until { second.replicas.isLeader }
        #expect(await second.replicas.others().isEmpty)
        await second.end()
    }

    @Test("One that does not answer is not waited for each time, and one without an address not at all")
    func silent() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let clock = ManualClock()
        let one = Member(server.endpoint, "http://10.0.0.1:1", clock: clock.clock, answers: false)
        let other = Member(server.endpoint, "http://10.0.0.2:1")
        let hidden = Member(server.endpoint, nil)
        await until { hidden.replicas.leader != nil && other.replicas.leader != nil }
        await clock.advance(.seconds(1))
        await until { await one.replicas.others().count == 2 }
        for _ in 0..<3 { #expect(await one.replicas.others().allSatisfy { $0.view == nil }) }
        #expect(one.asked == ["http://10.0.0.2:1"])
        await clock.advance(.seconds(3))
        _ = await one.replicas.others()
        #expect(one.asked.count == 2)
        for member in [one, other, hidden] { await member.end() }
    }

    @Test("While etcd is away nobody leads, and when it is back somebody does")
    func away() async throws {
        let port = try TCPListener.freePort()
        let server = try await EtcdServer(port: port)
        defer { server.stop() }
        let clock = ManualClock()
        let one = Member(server.endpoint, "http://10.0.0.1:1", clock: clock.clock)
        await until { one.replicas.isLeader }
        server.stop()
        await clock.advance(.seconds(6))
        #expect(one.replicas.leader == nil)
        let next = try await EtcdServer(port: port)
        defer { next.stop() }
        await clock.advance(.seconds(2))
        await until { one.replicas.isLeader }
        await one.end()
    }
}
