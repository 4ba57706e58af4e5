/// A body collected behind a held head.
struct BodyCollection {
    /// Pieces are being added.
    var isOpen = false
    var isComplete = false
    var hasTrailers = false
    var limit = 0
    var bytes: [UInt8] = []
    /// How many entries of the body and trailer lists come before the filter that held the head.
    var seenBodies = 0
    var seenTrailers = 0

    mutating func reset() {
        isOpen = false
        isComplete = false
        hasTrailers = false
        seenBodies = 0
        seenTrailers = 0
        if !bytes.isEmpty { bytes = [] }
    }

    /// False when the piece would go beyond the limit.
    mutating func append(_ chunk: BodyChunk) -> Bool {
        guard bytes.count + chunk.count <= limit else { return false }
        let piece = chunk.bytes()
        bytes.reserveCapacity(bytes.count + piece.count)
        for index in piece.indices { bytes.append(piece[index]) }
        return true
    }
}
