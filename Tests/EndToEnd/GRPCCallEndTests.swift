import MartletCore
import MartletFilter
import MartletGRPC
import MartletTesting
import Testing

@Suite("How gRPC calls of our own end, and what they hold meanwhile")
struct GRPCCallEndTests {
    private static func worker(_ peer: GRPCPeer, isSecure: Bool = false) throws -> CallingWorker {
        try CallingWorker(
            port: peer.port,
            settings: isSecure ? "    tls: { ca: \(try CertificateForge.shared.authority().certificateFile) }" : "")
    }

    private static func cancelled(_ peer: GRPCPeer, _ kind: String) -> Int {
        peer.seen.count { $0["cancelled"] as? String == kind }
    }

    @Test("The server is told of a deadline; when it passes, both sides are done", arguments: [false, true])
    func deadline(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
        let call = SteeredCall.unary(worker, timeout: .seconds(2), metadata: ["x-wait": "30"])
        let stream = SteeredCall(worker, "Bidi", timeout: .seconds(2), metadata: ["x-linger": "1"]).send([1])
        #expect(stream.ended()?.status == .deadlineExceeded && stream.heard.messages == [[1]])
        #expect(call.ended()?.status == .deadlineExceeded)
        #expect(eventually { Self.cancelled(peer, "unary") == 1 && Self.cancelled(peer, "bidi") == 1 })
        let left = peer.seen.compactMap { $0["left"] as? Double }
        #expect(left.count == 2 && left.allSatisfy { $0 > 0 && $0 <= 2 })
        #expect(SteeredCall.unary(worker, timeout: .seconds(60)).ended()?.status == .ok)
    }

    @Test("A call that is cancelled is heard of no more, and the server stops", arguments: [false, true])
    func cancel(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        let call = SteeredCall(worker, "Bidi", metadata: ["x-linger": "1"]).send([1])
        #expect(call.messages(1) == [[1]])
        call.cancel()
        call.send([2])
        #expect(eventually { Self.cancelled(peer, "bidi") == 1 })
        let waiting = SteeredCall.unary(worker, metadata: ["x-wait": "30", "x-initial": "1"])
        #expect(eventually { waiting.heard.initial != nil })
        waiting.cancel()
        #expect(eventually { Self.cancelled(peer, "unary") == 1 })
        // Cancelled before it has a connection, and in the turn it begins.
        let other = try Self.worker(peer, isSecure: isSecure)
        let early = SteeredCall.unary(other)
        early.cancel()
        #expect(SteeredCall.unary(other).ended()?.status == .ok)
        #expect(call.heard.end == nil && call.heard.messages == [[1]] && waiting.heard.end == nil)
        #expect(early.heard.end == nil)
    }

    @Test(
        "A server that goes away ends its calls with UNAVAILABLE; one that comes back is found",
        arguments: [false, true])
    func gone(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        let calls = (0..<3).map { _ in SteeredCall(worker, "Bidi", metadata: ["x-linger": "1"]).send([1]) }
        for call in calls { #expect(call.messages(1) == [[1]]) }
        peer.stop()
        for call in calls { #expect(call.ended()?.status == .unavailable && call.heard.end?.failure == .reset) }
        let refused = SteeredCall.unary(worker)
        #expect(refused.ended()?.status == .unavailable && refused.heard.end?.failure == .connectFailure)
        #expect(eventually { (try? worker.connections) == 0 })
        try peer.start()
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
    }

    @Test(
        "No connection that can be used is UNAVAILABLE: nobody there, a stranger's certificate, no TLS, no such cluster"
    )
    func unavailable() throws {
        let nobody = SteeredCall.unary(try CallingWorker(port: try TCPListener.freePort()))
        #expect(nobody.ended()?.status == .unavailable && nobody.heard.end?.failure == .connectFailure)
        #expect(nobody.heard.end?.message == "connect-failure")
        let secure = try GRPCPeer(isSecure: true)
        let other = try CertificateForge.shared.authority("Another CA").certificateFile
        let distrusted = SteeredCall.unary(
            try CallingWorker(port: secure.port, settings: "    tls: { ca: \(other) }"))
        #expect(distrusted.ended()?.status == .unavailable && distrusted.heard.end?.failure == .connectFailure)
        let clear = try GRPCPeer()
        let plain = SteeredCall.unary(try Self.worker(clear, isSecure: true))
        #expect(plain.ended()?.status == .unavailable && plain.heard.end?.failure == .connectFailure)
        let unknown = SteeredCall(try Self.worker(clear), "Unary", cluster: "none").send([]).finish()
        #expect(unknown.ended()?.status == .unavailable && unknown.heard.end?.failure == .unknownCluster)
        #expect(secure.seen.isEmpty && clear.seen.isEmpty)
    }

    @Test(
        "A server that does not read bounds what a call holds; when it reads, everything comes",
        arguments: [false, true])
    func sending(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        let call = SteeredCall(worker, "Stuck")
        let (size, count) = (16_384, 2048)
        call.pump([UInt8](repeating: 5, count: size), times: count)
        #expect(eventually { peer.seen.contains { $0["stuck"] != nil } })
        // 64 KiB, and the message that went beyond.
        #expect((call.heard.pumpedAtOnce ?? .max) <= 65_536 / size + 1)
        #expect(call.heard.pumped < count)
        // Others on the connection are not held up.
        #expect(try SteeredCall.unary(worker, [1]).ended()?.status == .ok && worker.connections == 1)
        #expect(call.heard.pumped < count)
        try peer.set(["release": "1"])
        #expect(call.ended()?.status == .ok)
        #expect(call.heard.messages == [Array("\(count) \(count * size)".utf8)])
        #expect(call.heard.writables > 1)
    }

    @Test("A call that is paused holds the server up, and nobody else; what was held comes in order")
    func receiving() throws {
        let peer = try GRPCPeer()
        let worker = try Self.worker(peer)
        let call = SteeredCall.unary(worker, Array("400".utf8), "Flood")
        _ = call.messages(1)
        call.pause()
        let before = try worker.ask { _ in call.heard.messages.count }
        // The server has come to a stand when its count does not change for a while.
        var (last, unchanged) = (-1, 0)
        func flooded() -> Int {
            let asked = SteeredCall.unary(worker, [], "Flooded")
            _ = asked.ended()
            return asked.heard.messages.first.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        }
        #expect(
            eventually {
                let count = flooded()
                unchanged = count == last ? unchanged + 1 : 0
                last = count
                return unchanged >= 20
            })
        #expect(last < 200)
        #expect(try call.heard.messages.count <= before + 2 && worker.connections == 1)
        call.resume()
        #expect(call.ended()?.status == .ok)
        let messages = call.heard.messages
        #expect(messages.count == 400)
        for (index, message) in messages.enumerated() where message.count != 65_536 || message[0] != UInt8(index % 251)
        {
            Issue.record("message \(index) is not the one that was sent")
        }
    }

    @Test("Calls that are given up while they hold what has come leave the connection its window")
    func heldAndCancelled() throws {
        let peer = try GRPCPeer()
        let worker = try Self.worker(peer)
        for index in 1...40 {
            let call = SteeredCall.unary(worker, Array("1000".utf8), "Flood")
            call.pause()
            #expect(eventually { call.heard.initial != nil })
            // An answer behind it on the connection: some of the flood has come.
            #expect(SteeredCall.unary(worker, [1]).ended()?.status == .ok)
            call.cancel()
            #expect(eventually { Self.cancelled(peer, "flood") == index })
        }
        let big = [UInt8](repeating: 3, count: 3_000_000)
        let call = SteeredCall.unary(worker, big)
        #expect(call.ended()?.status == .ok && call.heard.messages == [big])
        #expect(try worker.connections == 1)
    }
}
