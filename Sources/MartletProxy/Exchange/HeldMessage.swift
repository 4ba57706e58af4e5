internal import MartletCore

/// What came of a message behind its head and was not taken yet, in order. Its trailers are where the head went.
struct HeldMessage {
    enum Part {
        case body(ByteSlice, ended: Bool)
        /// Of a body whose last piece did not know that it was.
        case end
        case trailers
    }

    private var body = HeldBody()
    private var isEndHeld = false
    private var areTrailersHeld = false

    /// Nothing waits: what comes may pass at once.
    var isEmpty: Bool { body.isEmpty && !isEndHeld && !areTrailersHeld }
    /// Of the body.
    var bytes: Int { body.bytes }

    mutating func append(_ slice: ByteSlice, ended: Bool) {
        body.append(slice)
        if ended { isEndHeld = true }
    }

    mutating func appendEnd() { isEndHeld = true }
    mutating func appendTrailers() { areTrailersHeld = true }

    mutating func takeNext() -> Part? {
        if let slice = body.takeFirst() {
            let ended = isEndHeld && body.isEmpty
            if ended { isEndHeld = false }
            return .body(slice, ended: ended)
        }
        if isEndHeld {
            isEndHeld = false
            return .end
        }
        guard areTrailersHeld else { return nil }
        areTrailersHeld = false
        return .trailers
    }

    mutating func removeAll() {
        body.removeAll()
        isEndHeld = false
        areTrailersHeld = false
    }
}
