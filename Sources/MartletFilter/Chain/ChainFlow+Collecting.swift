/// Collecting a body behind a head that a filter holds.
extension ChainFlow {
    /// For the head hook that runs now: collect the body behind the head, which the hook then holds with `.wait`.
    /// False when there is nothing to wait for: no body, or all of it is here already.
    func collectBody(limit: Int, allowsPartial: Bool = false) -> Bool {
        guard !isHeadPassed, !headEnds, !ignoresSource, !collection.isComplete || collection.isPartial else {
            return false
        }
        collection.open(limit: limit, allowsPartial: allowsPartial)
        return true
    }

    /// The whole body, once collected behind a held head.
    var collectedBody: [UInt8]? { collection.isWhole ? collection.bytes : nil }

    /// Of a body collected, or on the way to be.
    package var collectedBytes: Int { collection.bytes.count }

    /// Lets go of a collected body: a pooled exchange keeps none.
    func recycle() {
        if !collection.bytes.isEmpty { collection.reset() }
    }

    /// Puts other bytes in the place of the collected body. False when none is collected.
    func replaceCollectedBody(_ bytes: [UInt8]) -> Bool {
        guard collection.isWhole, !isHeadPassed else { return false }
        collection.bytes = bytes
        return true
    }
}
