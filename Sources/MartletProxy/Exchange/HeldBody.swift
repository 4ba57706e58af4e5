internal import MartletCore

/// Pieces of a body kept until they can be sent, or for as long as they may have to be sent again.
///
/// A piece shares the buffer it was read into. One much smaller than its buffer is copied instead: a body in chunks of a
/// byte each would hold a read buffer for every one of them.
struct HeldBody {
    private(set) var pieces: [ByteSlice] = []
    private(set) var bytes = 0
    /// The buffer that small pieces go to; the last of `pieces` ends where it is filled to, when that piece is one of them.
    private var small: ByteBuffer?
    private var first: ByteBuffer?

    private static let firstCapacity = 2048
    private static let smallCapacity = 16_384

    var isEmpty: Bool { pieces.isEmpty }

    mutating func append(_ slice: ByteSlice) {
        guard !slice.isEmpty else { return }
        bytes += slice.count
        guard slice.count < slice.buffer.capacity / 4 else {
            small = nil
            return pieces.append(slice)
        }
        if let small, small.free >= slice.count, let last = pieces.last, last.buffer === small {
            small.append(slice.bytes())
            pieces[pieces.count - 1] = ByteSlice(small, last.range.lowerBound..<small.count)
            return
        }
        let buffer = take(slice.count)
        buffer.append(slice.bytes())
        small = buffer
        pieces.append(ByteSlice(buffer, 0..<buffer.count))
    }

    /// The piece that came first.
    mutating func takeFirst() -> ByteSlice? {
        guard !pieces.isEmpty else { return nil }
        let first = pieces.removeFirst()
        bytes -= first.count
        if pieces.isEmpty { small = nil }
        return first
    }

    /// Most bodies are one small piece: for those a buffer of their size is kept from request to request.
    private mutating func take(_ count: Int) -> ByteBuffer {
        if pieces.isEmpty, count <= Self.firstCapacity {
            if isKnownUniquelyReferenced(&first), let first {
                first.removeAll()
                return first
            }
            let made = ByteBuffer(capacity: Self.firstCapacity)
            first = made
            return made
        }
        return ByteBuffer(capacity: max(count, Self.smallCapacity))
    }

    mutating func removeAll() {
        guard !pieces.isEmpty else { return }
        pieces.removeAll(keepingCapacity: pieces.capacity <= 8)
        small = nil
        bytes = 0
    }
}
