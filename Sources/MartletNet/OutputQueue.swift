internal import CLinux
internal import MartletCore

/// Bytes on their way to one socket: copies of small things, shared slices of large ones, in order.
///
/// The first piece is kept inline so that an ordinary response needs no array; an empty queue holds no buffer.
struct OutputQueue {
    private struct Piece {
        var buffer: ByteBuffer?
        var start = 0
        var end = 0
        /// Taken from the pool by this queue, which alone may append behind `end`.
        var isOpen = false

        var length: Int { end - start }
    }

    private var first = Piece()
    private var rest: [Piece] = []
    /// Pieces of `rest` before this index have been sent.
    private var restHead = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    // MARK: Adding

    /// Copies `bytes`.
    mutating func append(_ bytes: Span<UInt8>, pool: BufferPool) {
        var done = 0
        while done < bytes.count {
            let left = bytes.extracting(done..<bytes.count)
            reserve(1, preferring: left.count, pool: pool) { done += $0.append(left) }
        }
    }

    /// Lets `body` append at least `space` bytes at the end of the queue: to the open piece when it has room, else to a
    /// fresh buffer.
    mutating func reserve(
        _ space: Int, preferring preferred: Int = 0, pool: BufferPool, _ body: (ByteBuffer) -> Void
    ) {
        if rest.isEmpty {
            if first.isOpen, let buffer = first.buffer, buffer.free >= space {
                body(buffer)
                count += buffer.count - first.end
                first.end = buffer.count
                return
            }
        } else if let last = rest.indices.last, rest[last].isOpen, let buffer = rest[last].buffer, buffer.free >= space
        {
            body(buffer)
            count += buffer.count - rest[last].end
            rest[last].end = buffer.count
            return
        }
        let buffer =
            switch max(space, preferred) {
            case ...BufferPool.smallCapacity: pool.takeSmall()
            case _ where space <= BufferPool.largeCapacity: pool.takeLarge()
            default: ByteBuffer(capacity: space)
            }
        body(buffer)
        let filled = buffer.count
        guard filled > 0 else {
            var unused: ByteBuffer? = consume buffer
            return pool.release(&unused)
        }
        count += filled
        push(Piece(buffer: consume buffer, start: 0, end: filled, isOpen: true))
    }

    /// Shares `slice`: no copy.
    mutating func append(_ slice: ByteSlice) {
        guard !slice.isEmpty else { return }
        count += slice.count
        push(Piece(buffer: slice.buffer, start: slice.range.lowerBound, end: slice.range.upperBound, isOpen: false))
    }

    private mutating func push(_ piece: consuming Piece) {
        if first.buffer == nil && rest.isEmpty {
            first = piece
        } else {
            rest.append(piece)
        }
    }

    // MARK: Sending

    /// The most pieces one system call sends.
    private static let batch = 16

    /// One system call for as much as the kernel takes. `sent` is a negative errno when it failed. `isLast`: the queue is
    /// all there is, and the end of the stream follows it.
    mutating func send(to descriptor: Int32, isLast: Bool, pool: BufferPool) -> (sent: Int, offered: Int) {
        let sent: Int
        var offered = first.length
        if rest.isEmpty, let buffer = first.buffer {
            sent = unsafe buffer.withUnsafeBytes(in: first.start..<first.end) {
                unsafe Int(mrt_send(descriptor, $0.baseAddress, $0.count, isLast))
            }
        } else {
            (sent, offered) = sendBatch(to: descriptor, isLast: isLast && rest.count - restHead < Self.batch)
        }
        if sent > 0 { advance(by: sent, pool: pool) }
        return (sent, offered)
    }

    private func sendBatch(to descriptor: Int32, isLast: Bool) -> (sent: Int, offered: Int) {
        unsafe withBatch { pieces, count, offered in
            (unsafe Int(mrt_writev(descriptor, pieces.baseAddress, Int32(count), isLast)), offered)
        }
    }

    /// Seals as much as fits into the free space of `buffer`. False when the session cannot.
    mutating func seal(with session: TLSSession, into buffer: ByteBuffer, pool: BufferPool) -> Bool {
        let taken = unsafe withBatch { pieces, count, _ in unsafe session.seal(pieces, count, into: buffer) }
        if taken > 0 { advance(by: taken, pool: pool) }
        return taken >= 0
    }

    /// Lends the first pieces: how many, and of how many bytes.
    private func withBatch<R>(_ body: (UnsafeMutableBufferPointer<iovec>, Int, Int) -> R) -> R {
        unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.batch) { pieces in
            var filled = 0
            var offered = 0
            func add(_ piece: Piece) {
                guard let buffer = piece.buffer else { return }
                unsafe buffer.withUnsafeBytes(in: piece.start..<piece.end) {
                    // The kernel only reads through these, and the queue keeps the buffers alive across the call.
                    unsafe pieces[filled] = unsafe iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
                }
                filled += 1
                offered += piece.length
            }
            add(first)
            var index = restHead
            while index < rest.count && filled < Self.batch {
                add(rest[index])
                index += 1
            }
            return unsafe body(pieces, filled, offered)
        }
    }

    private mutating func advance(by sent: Int, pool: BufferPool) {
        count -= sent
        var left = sent
        if first.buffer != nil {
            if left < first.length {
                first.start += left
                return
            }
            left -= first.length
            pool.release(&first.buffer)
            first.start = 0
            first.end = 0
            first.isOpen = false
        }
        while restHead < rest.count {
            let length = rest[restHead].length
            if left < length {
                rest[restHead].start += left
                break
            }
            left -= length
            pool.release(&rest[restHead].buffer)
            restHead += 1
        }
        if restHead == rest.count {
            if !rest.isEmpty { rest.removeAll(keepingCapacity: rest.capacity <= 8) }
            restHead = 0
        } else if restHead > 32 {
            rest.removeFirst(restHead)
            restHead = 0
        }
    }

    mutating func removeAll(pool: BufferPool) {
        pool.release(&first.buffer)
        first = Piece()
        for index in rest.indices { pool.release(&rest[index].buffer) }
        rest = []
        restHead = 0
        count = 0
    }
}
