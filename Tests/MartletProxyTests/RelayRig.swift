import Foundation
import MartletCore
import Testing

@testable import MartletNet
@testable import MartletProxy

/// Two TCP connections over loopback with a relay between them, and a loop that runs while somebody waits.
final class RelayRig: TCPRelayOwner {
    let loop: EventLoop
    /// The far ends, which the test plays.
    let client: Int32
    let server: Int32
    private(set) var relay: TCPRelay?
    private(set) var end: TCPRelay.End?
    private let downstream: StreamSocket
    private let upstream: StreamSocket
    /// Bytes that went each way to make the loop pass on what comes.
    private(set) var warmth: UInt64 = 0

    /// - Parameter forwarding: small messages went both ways before, until the loop passes them on by itself.
    init(
        forwarding: Bool = false, idleTimeout: Nanoseconds = .zero, lasting: Nanoseconds? = nil, limit: Int = 65_536,
        socketBuffer: Int32? = nil, early: [UInt8] = [], clientHasEnded: Bool = false
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        loop = try EventLoop()
        let (client, accepted) = try Self.connection(socketBuffer)
        let (server, dialled) = try Self.connection(socketBuffer)
        (self.client, self.server) = (client, server)
        downstream = StreamSocket(loop: loop, accepted: accepted)
        upstream = StreamSocket(loop: loop, accepted: dialled)
        let relay = TCPRelay(
            client: downstream, upstream: upstream, idleTimeout: idleTimeout,
            deadline: lasting.map { loop.now + $0 } ?? .never, bufferLimit: limit, counts: nil, owner: self)
        try downstream.start(relay)
        try upstream.start(relay)
        self.relay = relay
        relay.start(early: early.span, clientHasEnded: clientHasEnded)
        if forwarding { try warm() }
    }

    /// As the poll tells when a sent byte has been taken: no more than that there is room.
    func becomeWritable() {
        for socket in [downstream, upstream] { socket.eventsReady(2) }
    }

    var isForwarding: (up: Bool, down: Bool) { (downstream.isForwarding, upstream.isForwarding) }

    private func warm() throws {
        var client = Peer(client)
        var server = Peer(server)
        while isForwarding != (true, true) {
            try #require(warmth < 100)
            warmth += 1
            client.rest = [1]
            server.rest = [2]
            client.send()
            server.send()
            let arrived = wait {
                client.receive()
                server.receive()
                return client.received.count == warmth && server.received.count == warmth
            }
            try #require(arrived)
            turn()
        }
    }

    deinit { for end in [client, server] { close(end) } }

    /// The far end goes with a reset. Its number stays taken, so that the rig closes nothing of somebody else's.
    func reset(_ end: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(end, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        let nothing = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        dup2(nothing, end)
        close(nothing)
    }

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

    /// It ended because that side broke, and nothing of it is left.
    func expectBroken(byClient: Bool, _ place: SourceLocation = #_sourceLocation) {
        switch end {
        case .clientFailed?: #expect(byClient, sourceLocation: place)
        case .upstreamFailed?: #expect(!byClient, sourceLocation: place)
        default: Issue.record("ended by \(String(describing: end))", sourceLocation: place)
        }
        #expect(loop.openSources == 0, sourceLocation: place)
    }

    /// `sender`, whom `receiver` holds up, still hears it, and brings the rest once it is read, so much at a time.
    func expectResumes(
        _ sender: inout Peer, _ receiver: inout Peer, reading limit: Int, _ place: SourceLocation = #_sourceLocation
    ) {
        receiver.rest = Array("hello".utf8)[...]
        receiver.send()
        let isHeard = wait {
            sender.receive()
            return sender.received.count == 5
        }
        #expect(isHeard, sourceLocation: place)
        sender.endsAfterSending = true
        let isWhole = wait {
            sender.send()
            receiver.receive(limit)
            return receiver.hasSeenEnd
        }
        #expect(isWhole, sourceLocation: place)
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
struct Peer {
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
