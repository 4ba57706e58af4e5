public import MartletCore

/// A piece of a body on its way through the chain.
public struct BodyChunk {
    /// The bytes, shared with the connection they came from until someone replaces them.
    public private(set) var slice: ByteSlice
    /// No more body follows.
    public let isLast: Bool
    package private(set) var isReplaced = false

    public init(_ slice: ByteSlice, isLast: Bool) {
        self.slice = slice
        self.isLast = isLast
    }

    public var count: Int { slice.count }

    /// The bytes as they are now. Bind the chunk to a local first: the span borrows it.
    @_lifetime(borrow self)
    public func bytes() -> Span<UInt8> {
        let bytes = slice.bytes()
        // The chunk holds the slice, which holds the buffer.
        return unsafe _overrideLifetime(bytes, borrowing: self)
    }

    /// Puts other bytes in this chunk's place. Call `exchange.requestBodyLengthChanges()`, or the response's, in the head hook
    /// before replacing chunks of a streamed body by others of another length.
    public mutating func replace(with bytes: [UInt8]) {
        slice = ByteSlice(copying: bytes)
        isReplaced = true
    }
}
