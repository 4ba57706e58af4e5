import MartletControl
import MartletCore
import MartletTesting
import Synchronization
import Testing

@Suite("Replicas that know of each other by etcd", .timeLimit(.minutes(2)))
struct EtcdReplicasTests {
    /// One that takes part, and what becomes of its questions.
    private final class Member: Sendable {
        private struct Script {
            var asked: [String] = []
            var failure: (any Error)?
            var hangs = false
        }

        private final class Calls: Sendable {
            let script = Locked(Script())
        }

        let replicas: EtcdReplicas
        private let calls = Calls()
        private let running: Task<Void, Never>

        init(_ server: EtcdEndpoint, _ url: String?, clock: RegistryClock = .machine) {
            let replicas = EtcdReplicas(endpoints: [server], clock: clock) { [calls] replica in
                let hangs = try calls.script.withLock { script in
                    script.asked.append(replica.name)
                    if let failure = script.failure { throw failure }
                    return script.hangs
                }
                // As one whose answer stops in its middle: nothing comes, until whoever asks has had enough.
                if hangs { for await _ in AsyncStream<Void>.makeStream().stream {} }
                return ReplicaView()
            }
            self.replicas = replicas
            running = Task { await replicas.run() }
            replicas.announce(url: url)
        }

        /// What others answer from now on.
        func others(fail failure: (any Error)?) { calls.script.withLock { $0.failure = failure } }

        func othersHang() { calls.script.withLock { $0.hangs = true } }

        var asked: [String] { calls.script.withLock { $0.asked } }

        func end() async {
            running.cancel()
            await running.value
        }
    }

    private struct Silence: Error {}

    private func until(_ condition: () async -> Bool) async { while await !condition() { await Task.yield() } }

    @Test("The one that came first leads, and when it ends another; each asks all others until nobody is there")
    func leads() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let first = Member(server.endpoint, "http://10.0.0.1:1")
        await until { first.replicas.isLeader }
        let second = Member(server.endpoint, "http://10.0.0.2:1")
        await until { second.replicas.leader == first.replicas.own.id }
        #expect(!second.replicas.isLeader)
        await until { await first.replicas.others().map(\.replica) == [second.replicas.own] }
        #expect(await second.replicas.others().allSatisfy { $0.view != nil && $0.isNew })
        #expect(second.asked.allSatisfy { $0 == "http://10.0.0.1:1" })
        await first.end()
        await until { second.replicas.isLeader }
        // It may only have lost its way to etcd, and its proxies are with it.
        #expect(await second.replicas.others().map(\.view).count == 1)
        second.others(fail: ReplicaGone("refused"))
        await until { await second.replicas.others().isEmpty }
        await second.end()
    }

    @Test("One that does not answer is not waited for each time; what it said last holds for ten seconds, as old news")
    func silent() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let clock = ManualClock()
        let one = Member(server.endpoint, "http://10.0.0.1:1", clock: clock.clock)
        let other = Member(server.endpoint, "http://10.0.0.2:1")
        await until { other.replicas.leader != nil && one.replicas.isKnown }
        clock.jump(.seconds(1))
        await until { await one.replicas.others().count == 1 }
        // All who ask at once are told by one question.
        for _ in 0..<3 { #expect(await one.replicas.others().allSatisfy { $0.view != nil && $0.isNew }) }
        #expect(one.asked.count == 1)
        one.others(fail: Silence())
        clock.jump(.seconds(1))
        for _ in 0..<3 { #expect(await one.replicas.others().allSatisfy { $0.view != nil && !$0.isNew }) }
        #expect(one.asked.count == 2)
        clock.jump(.seconds(3))
        _ = await one.replicas.others()
        #expect(one.asked.count == 3)
        clock.jump(.seconds(6))
        #expect(await one.replicas.others().allSatisfy { $0.view == nil })
        one.others(fail: nil)
        clock.jump(.seconds(3))
        #expect(await one.replicas.others().allSatisfy { $0.view != nil && $0.isNew })
        for member in [one, other] { await member.end() }
    }

    @Test("One that never ends its answer is given up, for all who wait for it")
    func hanging() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let one = Member(server.endpoint, "http://10.0.0.1:1")
        one.othersHang()
        let other = Member(server.endpoint, "http://10.0.0.2:1")
        await until { one.replicas.leader != nil && other.replicas.leader == one.replicas.leader }
        async let first = one.replicas.others()
        async let second = one.replicas.others()
        #expect(await (first + second).allSatisfy { $0.view == nil })
        await until { await one.replicas.others().map(\.replica) == [other.replicas.own] }
        #expect(await one.replicas.others().allSatisfy { $0.view == nil })
        for member in [one, other] { await member.end() }
    }

    @Test("One that has no address cannot be asked")
    func hidden() async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let one = Member(server.endpoint, "http://10.0.0.1:1")
        let hidden = Member(server.endpoint, nil)
        await until { await one.replicas.others().map(\.replica) == [hidden.replicas.own] }
        #expect(await one.replicas.others().allSatisfy { $0.view == nil } && one.asked.isEmpty)
        for member in [one, hidden] { await member.end() }
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
        #expect(one.replicas.leader == nil && one.replicas.isKnown)
        let next = try await EtcdServer(port: port)
        defer { next.stop() }
        await clock.advance(.seconds(2))
        await until { one.replicas.isLeader }
        await one.end()
    }
}
