/// A reply takes the place of what the source would have sent: a head and a body of our own, for the filters that have
/// yet to see a response.
extension ChainFlow {
    /// The exchange is answered by a reply: a response that begins here, for every filter.
    func beginReply(_ exchange: Exchange, body: [UInt8]) {
        ignoresSource = true
        releaseHeld()
        headCursor = 0
        carry(body)
        runHead(exchange)
    }

    /// A reply's head took the response's place at the filter under the cursor; the further filters have yet to see it.
    func replaceSource(_ exchange: Exchange, body: [UInt8]) {
        ignoresSource = true
        releaseHeld()
        carry(body)
        rememberWhoSawTheBody()
        headCursor += 1
        runHead(exchange)
    }

    private func carry(_ body: [UInt8]) {
        collection.reset()
        collection.isComplete = true
        bodyLengthChanges = false
        collection.bytes = body
        headEnds = body.isEmpty
    }
}
