// MartletCore/Bytes owns raw memory and gives it a safe face: every access is bounds-checked, spans borrow the owner.
// It never does I/O and never interprets what the bytes mean. Codecs live in MartletHTTP, pools in MartletNet.

#if canImport(Glibc)
internal import Glibc
#endif

/// A fixed block of bytes with a filled part, `[0, count)`, and free space behind it.
///
/// Not thread-safe: a buffer belongs to one worker. Filled bytes may be shared as `ByteSlice`s; whoever writes only
/// ever writes behind `count`, so a slice never changes under its reader until the buffer is recycled, and a buffer is
/// recycled only when nobody else refers to it.
@safe
public final class ByteBuffer {
    // Owned here alone; lives exactly as long as this object.
    private let base: UnsafeMutablePointer<UInt8>
    /// Size of the block in bytes.
    public let capacity: Int
    /// How many bytes are filled.
    public private(set) var count = 0

    public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe base = .allocate(capacity: capacity)
    }

    deinit { unsafe base.deallocate() }

    public var free: Int { capacity - count }

    public func removeAll() { count = 0 }

    /// Takes back what was appended behind the first `length` bytes.
    package func truncate(to length: Int) { count = min(count, max(length, 0)) }

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
            // Non-nil: length > 0 means the source has a base address.
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

    /// Appends `text` if it fits whole.
    @discardableResult
    package func append(_ text: StaticString) -> Bool {
        guard text.hasPointerRepresentation, text.utf8CodeUnitCount <= free else { return false }
        unsafe memcpy(base + count, text.utf8Start, text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
        return true
    }

    /// Appends `text` and a line end if they fit whole.
    package func append(line text: Span<UInt8>) -> Bool {
        guard text.count + 2 <= free else { return false }
        append(text)
        unsafe base[count] = 0x0D
        unsafe base[count + 1] = 0x0A
        count += 2
        return true
    }

    /// Appends `name: value` and a line end if they fit whole.
    package func append(field name: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        guard name.count + value.count + 4 <= free else { return false }
        append(name)
        unsafe base[count] = 0x3A
        unsafe base[count + 1] = 0x20
        count += 2
        append(value)
        unsafe base[count] = 0x0D
        unsafe base[count + 1] = 0x0A
        count += 2
        return true
    }

    /// Appends `number` in digits if they fit.
    @discardableResult
    package func append(decimal number: UInt64) -> Bool {
        var digits = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        guard digits <= free else { return false }
        rest = number
        var index = count + digits - 1
        while index >= count {
            unsafe base[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            index -= 1
        }
        count += digits
        return true
    }

    /// Lets the kernel fill the free space: `body` gets it and answers how many bytes it wrote.
    @inline(__always)
    package func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let written = unsafe body(UnsafeMutableRawBufferPointer(start: base + count, count: capacity - count))
        precondition(written <= capacity - count)
        if written > 0 { count += written }
        return written
    }

    /// The filled bytes in `range` for a system call that only reads them.
    @inline(__always)
    package func withUnsafeBytes<R>(in range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return unsafe body(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// Drops the first `length` bytes and moves the rest to the front.
    public func removeFirst(_ length: Int) {
        precondition(length >= 0 && length <= count)
        let rest = count - length
        if rest > 0 && length > 0 { unsafe memmove(base, base + length, rest) }
        count = rest
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

    public func array() -> [UInt8] {
        bytes().array()
    }
}
