import Foundation
import MartletCore
import Testing

@testable import MartletNet

@Suite("The queue of bytes towards one socket")
struct OutputQueueTests {
    /// A socket pair whose sending end does not wait.
    private struct Pair {
        let sender: Int32
        let receiver: Int32

        init() {
            var ends: [Int32] = [0, 0]
            _ = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
            sender = ends[0]
            receiver = ends[1]
            var size: Int32 = 4096
            unsafe setsockopt(sender, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        }

        func close() { for end in [sender, receiver] { Glibc.close(end) } }

        func receive(_ limit: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: limit)
            let count = unsafe recv(receiver, &bytes, limit, 0)
            return Array(bytes.prefix(max(count, 0)))
        }
    }

    @Test("What goes in comes out in order, however it is cut: copies, shared slices, reserved room, short writes")
    func order() {
        var random = SystemRandomNumberGenerator()
        let pool = BufferPool()
        for _ in 0..<30 {
            let pair = Pair()
            defer { pair.close() }
            var queue = OutputQueue()
            var expected: [UInt8] = []
            var seen: [UInt8] = []
            var next: UInt8 = 0
            func piece(_ count: Int) -> [UInt8] {
                (0..<count).map { _ in
                    next &+= 1
                    return next
                }
            }
            for _ in 0..<60 {
                let bytes = piece(Int.random(in: 0...9000, using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0: queue.append(bytes.span, pool: pool)
                case 1:
                    // A slice within a buffer, with bytes around it that are nobody's.
                    let slice = ByteSlice(copying: [0xAA] + bytes + [0xAA])
                    queue.append(ByteSlice(slice.buffer, 1..<(1 + bytes.count)))
                case 2: queue.reserve(bytes.count, pool: pool) { $0.append(bytes.span) }
                default:
                    // Room that nothing is put into.
                    queue.reserve(100, pool: pool) { _ in }
                    queue.append(bytes.span, pool: pool)
                }
                expected += bytes
                #expect(queue.count == expected.count - seen.count - pending(pair))
                if Bool.random(using: &random) { _ = queue.send(to: pair.sender, isLast: false, pool: pool) }
                if Bool.random(using: &random) { seen += pair.receive(5000) }
            }
            while seen.count < expected.count {
                if !queue.isEmpty { _ = queue.send(to: pair.sender, isLast: true, pool: pool) }
                seen += pair.receive(65_536)
            }
            #expect(seen == expected)
            #expect(queue.isEmpty && queue.count == 0)
        }
    }

    /// Bytes sent and not received.
    private func pending(_ pair: Pair) -> Int {
        var count: Int32 = 0
        _ = unsafe ioctl(pair.receiver, UInt(FIONREAD), &count)
        return Int(count)
    }

    @Test("A full socket is told by how much went, a closed one by its error")
    func failures() {
        let pool = BufferPool()
        let pair = Pair()
        var queue = OutputQueue()
        queue.append([UInt8](repeating: 1, count: 1 << 20).span, pool: pool)
        var (sent, offered) = queue.send(to: pair.sender, isLast: false, pool: pool)
        while sent == offered { (sent, offered) = queue.send(to: pair.sender, isLast: false, pool: pool) }
        #expect(sent < offered)
        #expect(queue.send(to: pair.sender, isLast: false, pool: pool).sent == -Int(EAGAIN))
        close(pair.receiver)
        #expect(queue.send(to: pair.sender, isLast: false, pool: pool).sent == -Int(EPIPE))
        queue.removeAll(pool: pool)
        #expect(queue.isEmpty)
        close(pair.sender)
    }

    @Test("Buffers come back to the pool, and one that somebody still holds does not")
    func pool() {
        let pool = BufferPool()
        let pair = Pair()
        defer { pair.close() }
        var queue = OutputQueue()
        queue.append([1, 2, 3].span, pool: pool)
        _ = queue.send(to: pair.sender, isLast: false, pool: pool)
        let again = pool.takeSmall()
        #expect(again.count == 0 && again.capacity == BufferPool.smallCapacity)
        var held: ByteBuffer? = again
        again.append(7)
        pool.release(&held)
        #expect(held == nil)
        #expect(pool.takeSmall() !== again)
        #expect(again.count == 1)
    }
}
