import Foundation
import MartletCore
import Testing

@testable import MartletNet
@testable import MartletProxy

@Suite("Small messages between two connections")
struct TCPForwardTests {
    /// What both sides got of messages that one of them sent, a turn of the loop for each.
    private static func exchange(_ rig: RelayRig, _ messages: [[UInt8]], from sender: Int32, to receiver: Int32)
        -> [UInt8]
    {
        var from = Peer(sender)
        var to = Peer(receiver)
        var sent = 0
        for message in messages {
            from.rest = message[...]
            sent += message.count
            _ = rig.wait {
                from.send()
                to.receive()
                return to.received.count == sent
            }
        }
        return to.received
    }

    @Test(
        "Small messages pass by the loop alone, both ways, and a large one between them is looked at",
        arguments: [true, false])
    func small(fromClient: Bool) throws {
        let rig = try RelayRig(forwarding: true)
        let (sender, receiver) = fromClient ? (rig.client, rig.server) : (rig.server, rig.client)
        let messages = [10, 1, 8191, 3].map { Peer.bytes($0, seed: UInt64($0)) }
        #expect(Self.exchange(rig, messages, from: sender, to: receiver) == Array(messages.joined()))
        #expect(rig.isForwarding == (true, true))
        let large = [Peer.bytes(40_000, seed: 6)]
        #expect(Self.exchange(rig, large, from: sender, to: receiver) == large[0])
        #expect(rig.isForwarding == (!fromClient, fromClient))
        // One is not a habit.
        #expect(Self.exchange(rig, [[1]], from: sender, to: receiver) == [1])
        #expect(rig.isForwarding == (!fromClient, fromClient))
        #expect(Self.exchange(rig, [[1], [2], [3], [4], [5]], from: sender, to: receiver) == [1, 2, 3, 4, 5])
        #expect(rig.isForwarding == (true, true))
        let small: UInt64 = 10 + 1 + 8191 + 3 + 1 + 5
        let total = small + 40_000 + rig.warmth
        #expect(rig.relay?.clientBytes.received == (fromClient ? total : rig.warmth))
        #expect(rig.relay?.clientBytes.sent == (fromClient ? rig.warmth : total))
    }

    @Test(
        "What a full socket does not take of a small message waits, and the other way goes on",
        arguments: [true, false])
    func smallAndStuck(fromClient: Bool) throws {
        let rig = try RelayRig(forwarding: true, socketBuffer: 4096)
        var sender = Peer(fromClient ? rig.client : rig.server)
        var receiver = Peer(fromClient ? rig.server : rig.client)
        var sent: [UInt8] = []
        // Nobody reads, so a message gets stuck in the middle.
        var seed: UInt64 = 10
        let isStuck = rig.wait {
            if sender.rest.isEmpty {
                let message = Peer.bytes(1000, seed: seed)
                seed += 1
                sent += message
                sender.rest = message[...]
            }
            sender.send()
            return rig.relay?.heldBytes ?? 0 > 0
        }
        #expect(isStuck)
        // The full socket is not one that passes bytes on unseen any more: it has to hear when it is empty.
        #expect(rig.isForwarding == (false, false))
        rig.expectResumes(&sender, &receiver, reading: 200_000)
        #expect(receiver.received == sent)
    }

    @Test("A direction whose limit is less than a message goes on when the receiver does", arguments: [true, false])
    func stuckBeyondTheLimit(fromClient: Bool) throws {
        let rig = try RelayRig(forwarding: true, limit: 4096, socketBuffer: 4096)
        var sender = Peer(fromClient ? rig.client : rig.server)
        var receiver = Peer(fromClient ? rig.server : rig.client)
        let bytes = Peer.bytes(400_000, seed: 12)
        sender.rest = bytes[...]
        sender.endsAfterSending = true
        #expect(
            rig.wait {
                sender.send()
                return rig.relay?.heldBytes ?? 0 > 4096
            })
        #expect(
            rig.wait {
                sender.send()
                receiver.receive(10_000)
                return receiver.hasSeenEnd
            })
        #expect(receiver.received == bytes)
    }

    @Test("A reset that a message meets on its way is told as one", arguments: [true, false])
    func resetUnderway(ofClient: Bool) throws {
        let rig = try RelayRig(forwarding: true)
        var other = Peer(ofClient ? rig.server : rig.client)
        other.rest = [1, 2, 3]
        other.send()
        rig.reset(ofClient ? rig.client : rig.server)
        #expect(
            rig.wait {
                other.receive()
                return rig.end != nil && (other.error != 0 || other.hasSeenEnd)
            })
        #expect(other.error == ECONNRESET)
        rig.expectBroken(byClient: ofClient)
    }

    @Test("That there is room to write changes nothing")
    func writable() throws {
        let rig = try RelayRig(forwarding: true)
        rig.becomeWritable()
        #expect(rig.isForwarding == (true, true))
        #expect(Self.exchange(rig, [[1]], from: rig.client, to: rig.server) == [1])
    }

    @Test("What passes unseen keeps a connection from being idle, and no longer than that")
    func smallAndIdle() throws {
        let idle = Nanoseconds.milliseconds(100)
        var pause = idle
        // A machine that stood still for so long proves nothing.
        while pause >= idle {
            let rig = try RelayRig(forwarding: true, idleTimeout: idle)
            var client = Peer(rig.client)
            var server = Peer(rig.server)
            var last = Instant.now()
            let busyUntil = last + idle + idle + idle
            pause = .zero
            #expect(
                rig.wait {
                    client.rest = [1]
                    client.send()
                    server.receive()
                    let now = Instant.now()
                    pause = max(pause, now - last)
                    last = now
                    return rig.end != nil || now > busyUntil
                })
            guard pause < idle else { continue }
            #expect(rig.end == nil)
            #expect(rig.isForwarding.up)
            #expect(rig.wait { rig.end != nil })
            guard case .idleTimeout? = rig.end else {
                Issue.record("ended by \(String(describing: rig.end))")
                return
            }
        }
    }
}
