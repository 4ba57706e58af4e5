import Foundation
import MartletCore
import Testing

@testable import MartletNet
@testable import MartletProxy

/// Two TCP connections over loopback with a relay between them, and a loop that runs while somebody waits.
private final class RelayRig: TCPRelayOwner {
    let loop: EventLoop
    /// The far ends, which the test plays.
    let client: Int32
    let server: Int32
    private(set) var relay: TCPRelay?
    private(set) var end: TCPRelay.End?

    init(
        idleTimeout: Nanoseconds = .zero, lasting: Nanoseconds? = nil, limit: Int = 65_536, socketBuffer: Int32? = nil,
        early: [UInt8] = [], clientHasEnded: Bool = false
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        loop = try EventLoop()
        let (client, accepted) = try Self.connection(socketBuffer)
        let (server, dialled) = try Self.connection(socketBuffer)
        (self.client, self.server) = (client, server)
        let downstream = StreamSocket(loop: loop, accepted: accepted)
        let upstream = StreamSocket(loop: loop, accepted: dialled)
        let relay = TCPRelay(
            client: downstream, upstream: upstream, idleTimeout: idleTimeout,
            deadline: lasting.map { loop.now + $0 } ?? .never, bufferLimit: limit, counts: nil, owner: self)
        try downstream.start(relay)
        try upstream.start(relay)
        self.relay = relay
        relay.start(early: early.span, clientHasEnded: clientHasEnded)
    }

    deinit { for end in [client, server] { close(end) } }

    /// The far end blocks for nothing; the near end belongs to whoever takes it.
    private static func connection(_ buffer: Int32?) throws -> (far: Int32, near: Int32) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var buffer {
            for option in [SO_SNDBUF, SO_RCVBUF] {
                for end in [listener, far] {
                    unsafe setsockopt(end, SOL_SOCKET, option, &buffer, socklen_t(MemoryLayout<Int32>.size))
                }
            }
        }
        let isConnected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, size) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, $0, &size) == 0 && connect(far, $0, size) == 0
            }
        }
        try #require(isConnected)
        let near = accept(listener, nil, nil)
        for end in [far, near] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        return (far, near)
    }

    func relayEnded(_ end: TCPRelay.End) {
        self.end = end
        relay = nil
    }

    /// Turns the loop until `condition` holds; false when it has not for many seconds.
    func wait(_ condition: () -> Bool) -> Bool {
        let deadline = Instant.now() + .seconds(20)
        while !condition() {
            guard Instant.now() < deadline else { return false }
            turn()
        }
        return true
    }

    /// One that comes back also when there is nothing to do.
    func turn() {
        loop.runNextTurn(nobody)
        loop.turn()
    }

    private let nobody = Nobody()
    private final class Nobody: TimerTarget {
        func timerFired(_ tag: UInt8) {}
    }
}

/// One far end's view: what it has still to send, and what it got.
private struct Peer {
    let descriptor: Int32
    var rest: ArraySlice<UInt8> = []
    var received: [UInt8] = []
    var hasSeenEnd = false
    var error: Int32 = 0
    var endsAfterSending = false

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    mutating func send() {
        while !rest.isEmpty {
            let sent = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, min($0.count, 150_000), 0)
            }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
        if endsAfterSending {
            endsAfterSending = false
            shutdown(descriptor, Int32(SHUT_WR))
        }
    }

    mutating func receive(_ limit: Int = 200_000) {
        guard !hasSeenEnd, error == 0 else { return }
        let count = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: limit) { buffer in
            let count = unsafe recv(descriptor, buffer.baseAddress, limit, 0)
            if count > 0 { unsafe received.append(contentsOf: buffer.prefix(count)) }
            return count
        }
        if count == 0 { hasSeenEnd = true }
        if count < 0 && errno != EAGAIN { error = errno }
    }

    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}

@Suite("Bytes between two connections")
struct TCPRelayTests {
    @Test(
        "Both ways at once, whole and in order, whether little or much",
        arguments: [0, 1, 5000, 100_000, 12_000_000], [nil, 4096 as Int32?])
    func bothWays(count: Int, socketBuffer: Int32?) throws {
        guard socketBuffer == nil || count <= 100_000 else { return }
        let rig = try RelayRig(socketBuffer: socketBuffer)
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
        #expect(relay?.clientBytes.received == UInt64(up.count) && relay?.clientBytes.sent == UInt64(down.count))
        #expect(relay?.upstreamBytes.received == UInt64(down.count) && relay?.upstreamBytes.sent == UInt64(up.count))
        if count > 10_000_000 { #expect(usedPipes) }
        relay = nil
        #expect(rig.loop.openSources == 0)
        #expect(rig.loop.armedTimers == 0)
    }

    @Test("One side's end reaches the other, which may go on", arguments: [true, false])
    func halfClose(clientFirst: Bool) throws {
        let rig = try RelayRig()
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

    @Test("A receiver that does not read stops the sender, and what is held stays bounded", arguments: [true, false])
    func slowReader(fromClient: Bool) throws {
        let limit = 100_000
        let rig = try RelayRig(limit: limit, socketBuffer: 16_384)
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
        receiver.rest = Array("hello".utf8)[...]
        receiver.send()
        #expect(
            rig.wait {
                sender.receive()
                return sender.received.count == 5
            })
        sender.endsAfterSending = true
        #expect(
            rig.wait {
                sender.send()
                receiver.receive(50_000)
                return receiver.hasSeenEnd
            })
        #expect(receiver.received == bytes)
    }

    @Test("A reset reaches the other side, behind what came before it", arguments: [true, false])
    func reset(ofClient: Bool) throws {
        let rig = try RelayRig()
        var other = Peer(ofClient ? rig.server : rig.client)
        var broken = Peer(ofClient ? rig.client : rig.server)
        broken.rest = Array("so far".utf8)[...]
        broken.send()
        #expect(
            rig.wait {
                other.receive()
                return other.received.count == 6
            })
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            broken.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        // The number stays taken, so that the rig closes nothing of somebody else's.
        let nothing = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        dup2(nothing, broken.descriptor)
        close(nothing)
        #expect(
            rig.wait {
                other.receive()
                return other.error != 0 && rig.end != nil
            })
        #expect(other.error == ECONNRESET)
        switch rig.end {
        case .clientFailed?: #expect(ofClient)
        case .upstreamFailed?: #expect(!ofClient)
        default: Issue.record("ended by \(String(describing: rig.end))")
        }
        #expect(rig.loop.openSources == 0)
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

    @Test("Nothing is left when it is cut with bytes on their way")
    func cut() throws {
        let rig = try RelayRig(limit: 1 << 20, socketBuffer: 16_384)
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
}
