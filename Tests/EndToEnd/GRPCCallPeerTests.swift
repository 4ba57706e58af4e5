import MartletCore
import MartletFilter
import MartletGRPC
import MartletTesting
import Testing

/// What xDS will be carried by: our client, over the worker's own connections, and a server of grpcio's.
@Suite("gRPC calls of our own, answered by grpcio")
struct GRPCCallPeerTests {
    private static func worker(_ peer: GRPCPeer, isSecure: Bool, _ settings: String = "") throws -> CallingWorker {
        let tls = isSecure ? "    tls: { ca: \(try CertificateForge.shared.authority().certificateFile) }\n" : ""
        return try CallingWorker(port: peer.port, settings: tls + settings)
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("One message each way, empty and of a mebibyte, and metadata both ways", arguments: [false, true])
    func unary(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        let call = SteeredCall.unary(
            worker, Self.bytes("hello"), metadata: ["x-initial": "here", "x-team": "red", "x-data-bin": "AAE="])
        let end = try #require(call.ended())
        #expect(end.status == .ok && end.message == "" && end.failure == nil)
        #expect(call.heard.messages == [Self.bytes("hello")])
        #expect(call.heard.initial?["x-initial"] == "here")
        #expect(end.trailers["x-trailing"] == "unary" && end.trailers["grpc-status"] == "0")
        #expect(end.trailers["x-bytes-bin"]?.hasPrefix("AP8") == true)
        let metadata = peer.seen.first?["metadata"] as? [String: String] ?? [:]
        #expect(metadata["x-team"] == "red" && metadata["x-initial"] == "here")
        let big = (0..<1_048_576).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        for message in [[], big] {
            let call = SteeredCall.unary(worker, message)
            #expect(call.ended()?.status == .ok)
            #expect(call.heard.messages.count == 1 && call.heard.messages.first == message)
        }
        #expect(try worker.connections == 1)
    }

    @Test("Streams of either side and of both, message by message and thousands at once", arguments: [false, true])
    func streams(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        let worker = try Self.worker(peer, isSecure: isSecure)
        let up = SteeredCall(worker, "ClientStream").send(Self.bytes("a"), [], Self.bytes("bc")).finish()
        #expect(up.ended()?.status == .ok && up.heard.messages == [Self.bytes("abc")])
        let down = SteeredCall.unary(worker, Self.bytes("500"), "ServerStream")
        #expect(down.ended()?.status == .ok && down.heard.messages == (0..<500).map { Self.bytes("\($0)") })
        let none = SteeredCall.unary(worker, Self.bytes("0"), "ServerStream")
        #expect(none.ended()?.status == .ok && none.heard.messages == [])

        // Each is answered before the next is sent: nothing is held back.
        let both = SteeredCall(worker, "Bidi")
        for index in 0..<50 {
            both.send(Self.bytes("\(index)"))
            #expect(both.messages(index + 1).last == Self.bytes("\(index)"))
        }
        #expect(both.heard.end == nil)
        #expect(both.finish().ended()?.status == .ok && both.heard.messages.count == 50)

        let many = SteeredCall(worker, "Bidi")
        many.pump(Self.bytes("a message"), times: 5000)
        #expect(many.ended()?.status == .ok)
        #expect(many.heard.messages == [[UInt8]](repeating: Self.bytes("a message"), count: 5000))
        let large = SteeredCall(worker, "Bidi")
        let piece = [UInt8](repeating: 7, count: 1_048_576)
        large.pump(piece, times: 8)
        #expect(large.ended()?.status == .ok)
        #expect(large.heard.messages == [[UInt8]](repeating: piece, count: 8))
    }

    @Test("Two hundred calls at once share a connection, each in step with its server", arguments: [false, true])
    func many(isSecure: Bool) throws {
        let peer = try GRPCPeer(isSecure: isSecure)
        // Let through one by one until the server has told its limits.
        let worker = try Self.worker(peer, isSecure: isSecure)
        #expect(SteeredCall.unary(worker).ended()?.status == .ok)
        let calls = (0..<200).map { _ in SteeredCall(worker, "Bidi", metadata: ["x-quiet": "1"]) }
        for turn in 0..<3 {
            for (index, call) in calls.enumerated() { call.send(Self.bytes("\(turn) \(index)")) }
            for (index, call) in calls.enumerated() {
                #expect(call.messages(turn + 1).last == Self.bytes("\(turn) \(index)"))
            }
        }
        #expect(try worker.connections == 1)
        for call in calls { call.finish() }
        for call in calls { #expect(call.ended()?.status == .ok) }
    }

    @Test("Every status, its words and its trailers, with messages before it and without")
    func statuses() throws {
        let peer = try GRPCPeer()
        let worker = try Self.worker(peer, isSecure: false)
        for number in 1..<UInt32(GRPCStatus.named) {
            let status = GRPCStatus(rawValue: number)
            let call = SteeredCall.unary(worker, metadata: ["x-fail": "\(status) not yet: 50%"])
            let end = try #require(call.ended())
            #expect(end.status == status && end.message == "not yet: 50%" && end.failure == nil)
            #expect(end.trailers["x-trailing"] == "unary" && call.heard.messages == [])
        }
        let lost = SteeredCall.unary(worker, [], "Failing")
        #expect(lost.ended()?.status == .dataLoss && lost.heard.end?.message == "lost: 100% gone\n\u{FC}")
        #expect(lost.heard.messages == [Self.bytes("one"), Self.bytes("two")])
        #expect(SteeredCall.unary(worker, [], "Missing").ended()?.status == .unimplemented)
        #expect(SteeredCall.unary(worker, [], "/else.Where/M").ended()?.status == .unimplemented)
    }

    @Test("A server that answers before it has heard everything ends the call; what is sent later goes nowhere")
    func early() throws {
        let peer = try GRPCPeer()
        let worker = try Self.worker(peer, isSecure: false)
        let call = SteeredCall(worker, "First").send(Self.bytes("one"))
        #expect(call.ended()?.status == .ok && call.heard.messages == [Self.bytes("one")])
        call.send(Self.bytes("two")).finish()
        #expect(SteeredCall.unary(worker, Self.bytes("next")).ended()?.status == .ok)
        #expect(try call.heard.messages.count == 1 && worker.connections == 1)
    }

    @Test("A message larger than the limit ends the call, at the server too")
    func tooLarge() throws {
        let peer = try GRPCPeer()
        let worker = try Self.worker(peer, isSecure: false)
        let call = SteeredCall(worker, "Bidi", metadata: ["x-linger": "1"], maxMessage: 1000)
        call.send([UInt8](repeating: 1, count: 1000))
        #expect(call.messages(1).first?.count == 1000)
        call.send([UInt8](repeating: 1, count: 1001))
        #expect(call.ended()?.status == .resourceExhausted && call.heard.messages.count == 1)
        #expect(eventually { peer.seen.contains { $0["cancelled"] as? String == "bidi" } })
    }
}
