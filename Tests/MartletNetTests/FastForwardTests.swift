import Foundation
import MartletCore
import Testing

@testable import MartletNet

@Suite("Bytes that the loop passes on by itself")
struct FastForwardTests {
    /// Two connected pairs: what is written to `far.from` is forwarded from `near.from` to `near.to`, and read at `far.to`.
    private final class Pairs {
        let from: (far: Int32, near: Int32)
        let to: (far: Int32, near: Int32)

        init(tcp: Bool = false) throws {
            signal(SIGPIPE, SIG_IGN)
            from = try tcp ? Self.tcp() : Self.pair()
            to = try Self.pair()
        }

        private static func pair() throws -> (Int32, Int32) {
            var ends: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            try #require(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
            return (ends[0], ends[1])
        }

        private static func tcp() throws -> (Int32, Int32) {
            let bound = try BoundSocket(try #require(SocketAddress(ip: "127.0.0.1", port: 0)))
            let address = bound.address
            let loop = try EventLoop()
            var accepted: StreamSocket?
            let listener = try ListenerSocket(
                loop: loop, bound, starved: { _ in }, accepted: { socket, _ in accepted = socket })
            let dialled = try StreamSocket(loop: loop, connectingTo: address)
            while accepted == nil { loop.turn() }
            let ends = (dup(dialled.descriptor), dup(try #require(accepted).descriptor))
            dialled.drop()
            accepted?.drop()
            listener.close()
            return ends
        }

        func close(_ descriptor: Int32) { Glibc.close(descriptor) }

        func write(_ bytes: [UInt8]) { #expect(unsafe Glibc.write(from.far, bytes, bytes.count) == bytes.count) }

        func read(_ limit: Int = 1 << 20) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: limit)
            let count = unsafe Glibc.read(to.far, &bytes, limit)
            return Array(bytes.prefix(max(count, 0)))
        }

        deinit { for end in [from.far, from.near, to.far, to.near] { Glibc.close(end) } }
    }

    private static let now = Instant(nanoseconds: 7)

    @Test("What has come goes on whole, and nothing is nothing")
    func passes() throws {
        let pairs = try Pairs()
        let buffer = ByteBuffer(capacity: 64)
        var forward = FastForward(from: pairs.from.near, to: pairs.to.near, at: Instant(nanoseconds: 1))
        #expect(forward.pass(through: buffer, at: Self.now) == .passed)
        #expect(forward.passed == 0 && forward.lastPassed == Instant(nanoseconds: 1))
        pairs.write([1, 2, 3])
        #expect(forward.pass(through: buffer, at: Self.now) == .passed)
        #expect(pairs.read() == [1, 2, 3])
        #expect(forward.lastPassed == Self.now)
        #expect(forward.takePassed() == 3 && forward.takePassed() == 0)
    }

    @Test("A full buffer goes on, and the rest is somebody else's", arguments: [64, 65, 1000])
    func more(count: Int) throws {
        let pairs = try Pairs()
        let buffer = ByteBuffer(capacity: 64)
        var forward = FastForward(from: pairs.from.near, to: pairs.to.near, at: Self.now)
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        pairs.write(bytes)
        #expect(forward.pass(through: buffer, at: Self.now) == .unfinished)
        #expect(pairs.read() == Array(bytes.prefix(64)))
        #expect(forward.passed == 64)
    }

    @Test("An end is somebody else's, behind what came before it")
    func end() throws {
        let pairs = try Pairs()
        let buffer = ByteBuffer(capacity: 64)
        var forward = FastForward(from: pairs.from.near, to: pairs.to.near, at: Self.now)
        pairs.write([9])
        shutdown(pairs.from.far, Int32(SHUT_WR))
        #expect(forward.pass(through: buffer, at: Self.now) == .passed)
        #expect(forward.pass(through: buffer, at: Self.now) == .unfinished)
        #expect(pairs.read() == [9])
    }

    @Test("What a full sink does not take is left in the buffer, and so is all when it is broken")
    func stuck() throws {
        let pairs = try Pairs()
        let buffer = ByteBuffer(capacity: 4096)
        var forward = FastForward(from: pairs.from.near, to: pairs.to.near, at: Self.now)
        let bytes = [UInt8](repeating: 7, count: 4000)
        var outcome = FastForward.Outcome.passed
        while outcome == .passed {
            pairs.write(bytes)
            outcome = forward.pass(through: buffer, at: Self.now)
        }
        guard case .stuck(let sent) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(sent < 4000 && buffer.count == 4000)
        #expect(UInt64(pairs.read().count) == forward.passed)
        let passed = forward.passed
        shutdown(pairs.to.far, Int32(SHUT_RDWR))
        pairs.write(bytes)
        #expect(forward.pass(through: buffer, at: Self.now) == .refused(EPIPE))
        #expect(buffer.count == 4000 && forward.passed == passed)
    }

    @Test("A reset is told as what it is, for the kernel says it once")
    func reset() throws {
        let pairs = try Pairs(tcp: true)
        let buffer = ByteBuffer(capacity: 64)
        var forward = FastForward(from: pairs.from.near, to: pairs.to.near, at: Self.now)
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            pairs.from.far, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        // The number stays taken, so that nothing of somebody else's is closed at the end.
        let nothing = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        dup2(nothing, pairs.from.far)
        close(nothing)
        #expect(forward.pass(through: buffer, at: Self.now) == .failed(ECONNRESET))
    }
}
