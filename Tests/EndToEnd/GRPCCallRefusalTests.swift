import MartletFilter
import MartletGRPC
import MartletTesting
import Testing

@Suite("gRPC calls of our own on connections that end, are full or turn them away")
struct GRPCCallRefusalTests {
    private static func text(_ message: [UInt8]?) -> String? { message.map { String(decoding: $0, as: UTF8.self) } }

    /// A call of three messages, of which the server tells the bytes it had.
    private static func sum(_ worker: CallingWorker, _ size: Int) -> SteeredCall {
        let piece = [UInt8](repeating: 1, count: size)
        return SteeredCall(worker, "Sum").send(piece, piece, piece).finish()
    }

    @Test("A call that is refused unseen is made again, whole; one that was not kept is UNAVAILABLE")
    func refused() throws {
        let upstream = try OddUpstream("refuse")
        let worker = try CallingWorker(port: upstream.port)
        for _ in 0..<30 {
            let call = Self.sum(worker, 1000)
            #expect(call.ended()?.status == .ok && Self.text(call.heard.messages.first) == "3015")
        }
        #expect(upstream.notes("answered").count == 30 && upstream.notes("request").count > 40)
        // Every third is refused, and these follow one another.
        let ends = (0..<3).map { _ in Self.sum(worker, 50_000).ended() }
        #expect(ends.count { $0?.status == .ok } == 2)
        #expect(ends.count { $0?.status == .unavailable && $0?.failure == .reset } == 1)
    }

    @Test("Calls that a GOAWAY leaves out are made again on another connection, and none twice")
    func goAway() throws {
        let upstream = try OddUpstream("goaway")
        let worker = try CallingWorker(port: upstream.port)
        let calls = (0..<10).map { _ in Self.sum(worker, 100) }
        for call in calls {
            #expect(call.ended()?.status == .ok && Self.text(call.heard.messages.first) == "315")
        }
        #expect(upstream.notes("answered").count == 10 && upstream.connections >= 2)
    }

    @Test("A server that takes few streams at once is given another connection")
    func limit() throws {
        let peer = try GRPCPeer(state: ["option:max_concurrent_streams": "4"])
        let worker = try CallingWorker(port: peer.port)
        // It has said so once it has answered.
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
        let calls = (0..<40).map { _ in SteeredCall(worker, "Bidi").send([1]) }
        for call in calls { #expect(call.messages(1) == [[1]]) }
        #expect(try worker.connections >= 2)
        for call in calls { #expect(call.finish().ended()?.status == .ok) }
    }

    @Test("Connections that the server ends for their age take their calls with them, and no new ones")
    func age() throws {
        let peer = try GRPCPeer(
            isSecure: true,
            state: ["option:max_connection_age_ms": "200", "option:max_connection_age_grace_ms": "60000"])
        let worker = try CallingWorker(
            port: peer.port, settings: "    tls: { ca: \(try CertificateForge.shared.authority().certificateFile) }")
        let stream = SteeredCall(worker, "Bidi", metadata: ["x-quiet": "1"])
        var count = 0
        func connections() -> Int { Set(peer.seen.compactMap { $0["peer"] as? String }).count }
        while connections() < 4, count < 10_000 {
            stream.send([UInt8(truncatingIfNeeded: count)])
            count += 1
            try #require(stream.messages(count).count == count)
            try #require(SteeredCall.unary(worker).ended()?.status == .ok)
        }
        #expect(connections() >= 4)
        #expect(stream.finish().ended()?.status == .ok)
        #expect(stream.heard.messages == (0..<count).map { [UInt8(truncatingIfNeeded: $0)] })
    }

    @Test("A reload that changes the cluster, or takes it away, leaves calls under way alone")
    func reload() throws {
        let (peer, next) = (try GRPCPeer(), try GRPCPeer())
        let worker = try CallingWorker(port: peer.port)
        let call = SteeredCall(worker, "Bidi").send([1])
        #expect(call.messages(1) == [[1]])
        try worker.use(next.port)
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
        #expect(call.send([2]).messages(2) == [[1], [2]])
        try worker.use(nil)
        let lost = SteeredCall.unary(worker).ended()
        #expect(lost?.status == .unavailable && lost?.failure == .unknownCluster)
        #expect(call.send([3]).messages(3) == [[1], [2], [3]])
        #expect(call.finish().ended()?.status == .ok)
        #expect(peer.seen.compactMap { $0["kind"] as? String } == ["bidi"])
        #expect(next.seen.compactMap { $0["kind"] as? String } == ["unary"])
    }

    @Test("The cluster's limit of requests holds for calls too, until they end or are cancelled")
    func overflow() throws {
        let peer = try GRPCPeer()
        let worker = try CallingWorker(port: peer.port, settings: "    circuit_breaker: { max_requests: 2 }")
        let calls = (0..<2).map { _ in SteeredCall(worker, "Bidi").send([1]) }
        for call in calls { #expect(call.messages(1) == [[1]]) }
        let third = SteeredCall.unary(worker).ended()
        #expect(third?.status == .unavailable && third?.failure == .overflow)
        calls[0].cancel()
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
        #expect(calls[1].finish().ended()?.status == .ok)
        for _ in 0..<2 { #expect(SteeredCall.unary(worker).ended()?.status == .ok) }
    }

    @Test("A call that is paused while it waits for a connection is paused when it has one")
    func pausedEarly() throws {
        let peer = try GRPCPeer(state: ["option:max_concurrent_streams": "1"])
        let worker = try CallingWorker(port: peer.port, settings: "    circuit_breaker: { max_connections: 1 }")
        let first = SteeredCall(worker, "Bidi").send([1])
        #expect(first.messages(1) == [[1]])
        let call = SteeredCall.unary(worker, Array("300".utf8), "Flood")
        call.pause()
        #expect(try worker.waiting == 1)
        #expect(first.finish().ended()?.status == .ok)
        #expect(eventually { call.heard.initial != nil })
        let other = try CallingWorker(port: peer.port)
        // The server comes to a stand, or to its end.
        var (last, unchanged) = (-1, 0)
        _ = eventually {
            let asked = SteeredCall.unary(other, [], "Flooded")
            _ = asked.ended()
            let count = Self.text(asked.heard.messages.first).flatMap { Int($0) } ?? 0
            unchanged = count == last ? unchanged + 1 : 0
            last = count
            return unchanged >= 20
        }
        #expect(call.heard.messages.isEmpty && call.heard.end == nil && last < 300)
        call.resume()
        #expect(call.ended()?.status == .ok && call.heard.messages.count == 300)
    }
}
