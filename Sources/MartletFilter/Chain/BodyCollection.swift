internal import MartletCore

/// A body collected behind a held head.
struct BodyCollection {
    /// Pieces are being added.
    var isOpen = false
    /// What was asked for is here.
    var isComplete = false
    /// The filter it was collected for has not let it go on.
    var isFresh = false
    /// It is the beginning: the rest follows when the head has gone on.
    var isPartial = false
    var hasTrailers = false
    private var limit = 0
    private var allowsPartial = false
    var bytes: [UInt8] = []
    /// What one filter had collected in part when another began to collect.
    private var carried: [UInt8]?
    /// How many entries of the body and trailer lists come before the filter that held the head.
    var seenBodies = 0
    var seenTrailers = 0

    var isWhole: Bool { isComplete && !isPartial }
    /// As much is here as was asked for, which may be less than all.
    var isFull: Bool { allowsPartial && bytes.count >= limit }

    mutating func reset() {
        isOpen = false
        isComplete = false
        isFresh = false
        isPartial = false
        hasTrailers = false
        seenBodies = 0
        seenTrailers = 0
        if !bytes.isEmpty { bytes = [] }
        if carried != nil { carried = nil }
    }

    mutating func open(limit: Int, allowsPartial: Bool) {
        if isPartial {
            carried = bytes
            bytes = []
        }
        isOpen = true
        isComplete = false
        isPartial = false
        self.limit = limit
        self.allowsPartial = allowsPartial
    }

    /// The filter that asked lets the head go on before all is here. What has come is a beginning, and goes with the head: its
    /// own, or what another had collected in part before it asked.
    mutating func close() {
        isOpen = false
        if let carried = carried.take() {
            bytes = carried
        } else if bytes.isEmpty {
            return
        } else {
            isFresh = true
        }
        isComplete = true
        isPartial = true
    }

    mutating func takeCarried() -> ByteSlice? {
        guard let bytes = carried.take() else { return nil }
        return ByteSlice(copying: bytes)
    }

    /// False when the piece would go beyond the limit.
    mutating func append(_ chunk: BodyChunk) -> Bool {
        guard allowsPartial || bytes.count + chunk.count <= limit else { return false }
        let piece = chunk.bytes()
        // The room asked for is the room there is: asked for what each piece needs, every byte would be copied with every piece.
        let needed = bytes.count + piece.count
        if needed > bytes.capacity { bytes.reserveCapacity(max(needed, 2 * bytes.capacity)) }
        for index in piece.indices { bytes.append(piece[index]) }
        return true
    }
}
