#if canImport(Glibc)
internal import Glibc
#endif

/// A place in a `ByteArena`. 32 bits are enough: a head is bounded far below 4 GiB.
public struct ByteRange: Sendable, Equatable {
    public let start: UInt32
    public let length: UInt32

    public init(start: Int, length: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.length = UInt32(truncatingIfNeeded: length)
    }

    public static let empty = ByteRange(start: 0, length: 0)
    public var count: Int { Int(length) }
    public var isEmpty: Bool { length == 0 }
}

/// Growing memory for the bytes of one message head; cleared, not freed, between exchanges.
///
/// Appending never moves what earlier `ByteRange`s name (they are offsets), but it may move the memory, so a span taken
/// before an append is dead after it; the borrow rules of `Span` make that a compile error.
@safe
public final class ByteArena {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    public private(set) var count = 0

    /// What an arena shrinks back to when it is cleared, so that one huge head does not stay in the pool.
    private static let keptCapacity = 4096

    public init(capacity: Int = 1024) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe base = .allocate(capacity: capacity)
    }

    deinit { unsafe base.deallocate() }

    public func removeAll() {
        count = 0
        if capacity > Self.keptCapacity {
            unsafe base.deallocate()
            capacity = Self.keptCapacity
            unsafe base = .allocate(capacity: capacity)
        }
    }

    /// Copies `bytes` in and says where they are. `bytes` may lie in this arena.
    public func append(_ bytes: Span<UInt8>) -> ByteRange {
        let start = count
        let length = bytes.count
        unsafe bytes.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, length > 0 else { return }
            if start + length > capacity {
                // Grow by hand: `from` may point into the old block, which must outlive the copy.
                let (next, size) = unsafe grown(toHold: start + length)
                unsafe memcpy(next + start, from, length)
                unsafe base.deallocate()
                unsafe base = next
                capacity = size
            } else {
                unsafe memcpy(base + start, from, length)
            }
        }
        count = start + length
        return ByteRange(start: start, length: length)
    }

    private func grown(toHold needed: Int) -> (UnsafeMutablePointer<UInt8>, Int) {
        var size = capacity
        while size < needed { size *= 2 }
        let next = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        unsafe memcpy(next, base, count)
        return unsafe (next, size)
    }

    /// The bytes a range names.
    @_lifetime(borrow self)
    public func bytes(_ range: ByteRange) -> Span<UInt8> {
        let start = Int(range.start)
        let length = Int(range.length)
        precondition(start + length <= count)
        let span = unsafe Span(_unsafeStart: UnsafePointer(base + start), count: length)
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
