internal import CMartletModule

#if canImport(Glibc)
internal import Glibc
#endif

/// A block of bytes with a filled part, `[0, count)`: one of its own with free space behind, or bytes of the host's, full.
///
/// Not thread-safe: a buffer belongs to one worker.
@safe
public final class ByteBuffer {
    private let base: UnsafeMutablePointer<UInt8>
    /// Whose the bytes are; nil: allocated here.
    private let owner: OpaquePointer?
    /// Size of the block in bytes.
    public let capacity: Int
    /// How many bytes are filled.
    public private(set) var count = 0

    public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe base = .allocate(capacity: capacity)
        unsafe owner = nil
    }

    /// The bytes live as long as `owner`, an object of the host that is given back at the end. They are never written to.
    package init(_ bytes: UnsafeBufferPointer<UInt8>, of owner: OpaquePointer) {
        unsafe base = unsafe UnsafeMutablePointer(mutating: bytes.baseAddress) ?? .allocate(capacity: 1)
        unsafe self.owner = unsafe owner
        capacity = bytes.count
        count = bytes.count
    }

    deinit {
        if let owner = unsafe owner { Border.release(owner) } else { unsafe base.deallocate() }
    }

    public var free: Int { capacity - count }

    public func removeAll() { if unsafe owner == nil { count = 0 } }

    /// The filled bytes.
    @_lifetime(borrow self)
    public func bytes() -> Span<UInt8> {
        let span = unsafe Span(_unsafeStart: UnsafePointer(base), count: count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The filled bytes in `range`.
    @_lifetime(borrow self)
    public func bytes(in range: Range<Int>) -> Span<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let span = unsafe Span(_unsafeStart: UnsafePointer(base + range.lowerBound), count: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Appends as much of `bytes` as fits and returns how much that was.
    @discardableResult
    public func append(_ bytes: Span<UInt8>) -> Int {
        let length = min(bytes.count, capacity - count)
        guard length > 0 else { return 0 }
        unsafe bytes.withUnsafeBufferPointer { source in
            if let start = source.baseAddress { unsafe memcpy(base + count, start, length) }
        }
        count += length
        return length
    }

    /// Appends one byte; false when full.
    @discardableResult
    public func append(_ byte: UInt8) -> Bool {
        guard count < capacity else { return false }
        unsafe base[count] = byte
        count += 1
        return true
    }
}

/// Part of a buffer's filled bytes, keeping the buffer alive. Copying a slice copies no bytes.
public struct ByteSlice {
    public let buffer: ByteBuffer
    public private(set) var range: Range<Int>

    public init(_ buffer: ByteBuffer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= buffer.count)
        self.buffer = buffer
        self.range = range
    }

    /// A slice over a copy of `bytes`.
    public init(copying bytes: Span<UInt8>) {
        buffer = ByteBuffer(capacity: max(bytes.count, 1))
        buffer.append(bytes)
        range = 0..<bytes.count
    }

    public init(copying bytes: [UInt8]) { self.init(copying: bytes.span) }

    public var count: Int { range.count }
    public var isEmpty: Bool { range.isEmpty }

    /// The bytes. Bind the slice to a local first: the span borrows it.
    @_lifetime(borrow self)
    public func bytes() -> Span<UInt8> {
        let span = buffer.bytes(in: range)
        // The slice holds `buffer`, so the bytes live at least as long as the slice does.
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    public mutating func removeFirst(_ length: Int) {
        precondition(length >= 0 && length <= range.count)
        range = (range.lowerBound + length)..<range.upperBound
    }

    public func array() -> [UInt8] { bytes().array() }
}
