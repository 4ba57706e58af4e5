public import MartletCore

/// A piece of a body on its way through the chain.
public struct BodyChunk {
    /// The bytes, shared with the connection they came from until someone replaces them.
    public private(set) var slice: ByteSlice
    /// No more body follows.
    public internal(set) var isLast: Bool
    package private(set) var isReplaced = false
    /// The filter that runs now has more bytes than these to put in the chunk's place.
    package internal(set) var hasRest = false
    /// Not a piece of what comes in: the filter is called again for the rest of what it has.
    package let isRest: Bool

    public init(_ slice: ByteSlice, isLast: Bool) {
        self.slice = slice
        self.isLast = isLast
        isRest = false
    }

    init(restBefore nothing: ByteSlice, isLast: Bool) {
        slice = nothing
        self.isLast = isLast
        isRest = true
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

    /// As `replace(with:)`, without a copy, for a filter that may make much of little. With `hasRest` its hook is called
    /// again, with an empty chunk for which `isRest` holds, once the receiver has room; nothing else comes in meanwhile.
    /// Nothing in a chunk's place goes nowhere, unless it is the last.
    package mutating func replace(with slice: ByteSlice, hasRest: Bool) {
        self.slice = slice
        self.hasRest = hasRest
        isReplaced = true
        isSwallowed = slice.isEmpty
    }

    /// Nothing took its place.
    private(set) var isSwallowed = false
}
