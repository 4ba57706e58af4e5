import Foundation
import MartletCore
import Testing

@testable import MartletNet
@testable import MartletProxy

@Suite("Bytes between two connections")
struct TCPRelayTests {
    @Test(
        "Both ways at once, whole and in order, whether little or much",
        arguments: [0, 1, 5000, 100_000, 12_000_000],
        [(nil, false), (nil, true), (4096 as Int32?, false), (4096, true)])
    func bothWays(count: Int, over: (socketBuffer: Int32?, forwarding: Bool)) throws {
        guard over.socketBuffer == nil || count <= 100_000 else { return }
        let rig = try RelayRig(forwarding: over.forwarding, socketBuffer: over.socketBuffer)
        var client = Peer(rig.client)
        var server = Peer(rig.server)
        let up = Peer.bytes(count, seed: 1)
        let down = Peer.bytes(count / 2 + 3, seed: 2)
        client.rest = up[...]
        server.rest = down[...]
        client.endsAfterSending = true
        server.endsAfterSending = true
        var usedPipes = false
        var relay = rig.relay
        let isOver = rig.wait {
            client.send()
            server.send()
            client.receive()
            server.receive()
            usedPipes = usedPipes || rig.loop.pipes.open > 0
            return rig.end != nil && client.hasSeenEnd && server.hasSeenEnd
        }
        #expect(isOver)
        guard case .complete? = rig.end else {
            Issue.record("ended by \(String(describing: rig.end))")
            return
        }
        #expect(client.received == down)
        #expect(server.received == up)
        let (wentUp, wentDown) = (UInt64(up.count) + rig.warmth, UInt64(down.count) + rig.warmth)
        #expect(relay?.clientBytes.received == wentUp && relay?.clientBytes.sent == wentDown)
        #expect(relay?.upstreamBytes.received == wentDown && relay?.upstreamBytes.sent == wentUp)
        if count > 10_000_000 { #expect(usedPipes) }
        relay = nil
        #expect(rig.loop.openSources == 0)
        #expect(rig.loop.armedTimers == 0)
    }

    @Test("One side's end reaches the other, which may go on", arguments: [true, false], [false, true])
    func halfClose(clientFirst: Bool, forwarding: Bool) throws {
        let rig = try RelayRig(forwarding: forwarding)
        var first = Peer(clientFirst ? rig.client : rig.server)
        var second = Peer(clientFirst ? rig.server : rig.client)
        first.rest = Array("the question".utf8)[...]
        first.endsAfterSending = true
        first.send()
        #expect(
            rig.wait {
                second.receive()
                return second.hasSeenEnd
            })
        #expect(second.received == Array("the question".utf8))
        #expect(rig.end == nil)
        second.rest = Peer.bytes(3_000_000, seed: 3)[...]
        let answer = Array(second.rest)
        second.endsAfterSending = true
        #expect(
            rig.wait {
                second.send()
                first.receive()
                return first.hasSeenEnd && rig.end != nil
            })
        #expect(first.received == answer)
        guard case .complete? = rig.end else {
            Issue.record("ended by \(String(describing: rig.end))")
            return
        }
    }

    @Test("What was read before the relay began goes first, and an end before it counts", arguments: [true, false])
    func early(clientHasEnded: Bool) throws {
        let rig = try RelayRig(early: Array("early ".utf8), clientHasEnded: clientHasEnded)
        var client = Peer(rig.client)
        var server = Peer(rig.server)
        client.rest = Array("late".utf8)[...]
        if !clientHasEnded { client.endsAfterSending = true }
        client.send()
        #expect(
            rig.wait {
                server.receive()
                return server.hasSeenEnd
            })
        #expect(server.received == Array((clientHasEnded ? "early " : "early late").utf8))
    }

    @Test(
        "A receiver that does not read stops the sender, and what is held stays bounded", arguments: [true, false],
        [false, true])
    func slowReader(fromClient: Bool, forwarding: Bool) throws {
        let limit = 100_000
        let rig = try RelayRig(forwarding: forwarding, limit: limit, socketBuffer: 16_384)
        var sender = Peer(fromClient ? rig.client : rig.server)
        var receiver = Peer(fromClient ? rig.server : rig.client)
        let bytes = Peer.bytes(6_000_000, seed: 4)
        sender.rest = bytes[...]
        var unchanged = 0
        var last = sender.rest.count
        var most = 0
        #expect(
            rig.wait {
                sender.send()
                most = max(most, rig.relay?.heldBytes ?? 0)
                unchanged = sender.rest.count == last ? unchanged + 1 : 0
                last = sender.rest.count
                return unchanged > 200
            })
        #expect(sender.rest.count > 4_000_000)
        #expect(most <= limit + BufferPool.largeCapacity)
        // The other direction does not wait for this one.
        rig.expectResumes(&sender, &receiver, reading: 50_000)
        #expect(receiver.received == bytes)
    }

    @Test("A reset reaches the other side, behind what came before it", arguments: [true, false], [false, true])
    func reset(ofClient: Bool, forwarding: Bool) throws {
        let rig = try RelayRig(forwarding: forwarding)
        var other = Peer(ofClient ? rig.server : rig.client)
        var broken = Peer(ofClient ? rig.client : rig.server)
        broken.rest = Array("so far".utf8)[...]
        broken.send()
        #expect(
            rig.wait {
                other.receive()
                return other.received.count == 6
            })
        rig.reset(broken.descriptor)
        #expect(
            rig.wait {
                other.receive()
                return other.error != 0 && rig.end != nil
            })
        #expect(other.error == ECONNRESET)
        rig.expectBroken(byClient: ofClient)
    }

    @Test("A connection on which nothing moves ends, and one that lasts too long does whatever moves")
    func time() throws {
        let idle = try RelayRig(idleTimeout: .milliseconds(30))
        var peer = Peer(idle.client)
        #expect(
            idle.wait {
                peer.receive()
                return peer.error != 0
            })
        guard case .idleTimeout? = idle.end else {
            Issue.record("ended by \(String(describing: idle.end))")
            return
        }
        let busy = try RelayRig(idleTimeout: .seconds(10), lasting: .milliseconds(30))
        var client = Peer(busy.client)
        var server = Peer(busy.server)
        #expect(
            busy.wait {
                client.rest = [1, 2, 3]
                client.send()
                server.receive()
                client.receive()
                return busy.end != nil
            })
        guard case .maxDuration? = busy.end else {
            Issue.record("ended by \(String(describing: busy.end))")
            return
        }
    }

    @Test("Nothing is left when it is cut with bytes on their way", arguments: [false, true])
    func cut(forwarding: Bool) throws {
        let rig = try RelayRig(forwarding: forwarding, limit: 1 << 20, socketBuffer: 16_384)
        var client = Peer(rig.client)
        client.rest = Peer.bytes(3_000_000, seed: 5)[...]
        #expect(
            rig.wait {
                client.send()
                return rig.relay?.heldBytes ?? 0 > 200_000
            })
        rig.relay?.cut()
        guard case .cut? = rig.end else {
            Issue.record("ended by \(String(describing: rig.end))")
            return
        }
        #expect(rig.loop.openSources == 0)
        #expect(rig.loop.armedTimers == 0)
        rig.turn()
    }

    @Test(
        "Who has sent its end and is gone by the time the other side goes on breaks the connection",
        arguments: [true, false])
    func goneBehindItsEnd(clientGoes: Bool) throws {
        let rig = try RelayRig()
        let gone = clientGoes ? rig.client : rig.server
        var other = Peer(clientGoes ? rig.server : rig.client)
        shutdown(gone, Int32(SHUT_WR))
        #expect(
            rig.wait {
                other.receive()
                return other.hasSeenEnd
            })
        rig.reset(gone)
        #expect(
            rig.wait {
                other.rest = [1]
                other.send()
                return rig.end != nil
            })
        rig.expectBroken(byClient: clientGoes)
    }
}
