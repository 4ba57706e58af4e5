internal import MartletCore

/// Body of one stream that waits for its peer's window, in order. Holding one slice needs no array.
struct HTTP2SendQueue {
    private var first: ByteSlice?
    private var rest: [ByteSlice] = []
    /// Slices of `rest` before this index have gone.
    private var restHead = 0

    mutating func append(_ slice: ByteSlice) {
        if first == nil && rest.isEmpty { first = slice } else { rest.append(slice) }
    }

    mutating func removeAll() {
        first = nil
        if !rest.isEmpty { rest = [] }
        restHead = 0
    }

    /// Takes the next piece, of at most `limit` bytes; nil when there is none.
    mutating func take(atMost limit: Int) -> ByteSlice? {
        if let slice = first {
            let (piece, left) = Self.split(slice, limit)
            first = left
            return piece
        }
        guard restHead < rest.count else { return nil }
        let (piece, left) = Self.split(rest[restHead], limit)
        if let left {
            rest[restHead] = left
        } else {
            restHead += 1
            if restHead == rest.count {
                rest.removeAll(keepingCapacity: rest.capacity <= 8)
                restHead = 0
            } else if restHead > 32 {
                rest.removeFirst(restHead)
                restHead = 0
            }
        }
        return piece
    }

    private static func split(_ slice: ByteSlice, _ limit: Int) -> (ByteSlice, ByteSlice?) {
        guard slice.count > limit else { return (slice, nil) }
        var left = slice
        left.removeFirst(limit)
        let start = slice.range.lowerBound
        return (ByteSlice(slice.buffer, start..<(start + limit)), left)
    }
}
