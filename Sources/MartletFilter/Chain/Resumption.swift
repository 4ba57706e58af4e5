public import MartletCore
internal import MartletHTTP

/// The right to go on with an item that a hook held with `.wait`. Using it twice, late, or after the exchange has ended
/// does nothing.
public struct Resumption {
    let exchange: Exchange
    let direction: Direction
    let held: ChainFlow.Held
    let generation: UInt64
    let waitID: UInt64

    /// Goes on as if the hook had answered `verdict`. May be called before the hook has returned.
    public func resume(_ verdict: Verdict = .next) {
        guard isValid else { return }
        let flow = direction == .request ? exchange.requestFlow : exchange.responseFlow
        flow.resume(exchange, held, waitID: waitID, verdict)
    }

    /// False once it is too late to resume.
    public var isValid: Bool { exchange.generation == generation && exchange.isOpen }
}

extension Exchange {
    /// For a request hook that is about to answer `.wait`.
    public func requestResumption() -> Resumption { requestFlow.resumption(of: self) }
    /// For a response hook that is about to answer `.wait`.
    public func responseResumption() -> Resumption { responseFlow.resumption(of: self) }

    /// Collects the whole request body behind the head that the running `onRequestHead` hook is about to hold with
    /// `.wait`. The filter then gets one `onRequestBody` with all of it, whose verdict is about the head: `next` lets head
    /// and body go on. Beyond `limit`, by default
    /// the listener's `filter_buffer`, the client gets 413; or, if `allowsPartial`, the filter gets what has come so far, a
    /// piece more than the limit at most, as a chunk that is not the last. A head that is resumed before goes on with what has come so
    /// far. False when there is nothing to wait for.
    public func collectRequestBody(limit: ByteCount? = nil, allowsPartial: Bool = false) -> Bool {
        requestFlow.collectBody(limit: (limit ?? bodyLimit).bytes, allowsPartial: allowsPartial)
    }

    /// As `collectRequestBody`, for the response. Beyond `limit` the client gets 500.
    public func collectResponseBody(limit: ByteCount? = nil) -> Bool {
        responseFlow.collectBody(limit: (limit ?? bodyLimit).bytes)
    }

    /// Puts other bytes in the place of a body that was collected and has not gone on. False when there is none.
    package func replaceCollectedRequestBody(_ bytes: [UInt8]) -> Bool { requestFlow.replaceCollectedBody(bytes) }
    package func replaceCollectedResponseBody(_ bytes: [UInt8]) -> Bool { responseFlow.replaceCollectedBody(bytes) }

    /// The request body's length will not be what the head says: it goes on in chunks. For a head hook whose filter will
    /// replace pieces of a streamed body.
    public func requestBodyLengthChanges() {
        requestFlow.bodyLengthChanges = true
        if case .exactly = request.body { request.body = BodyLength.chunked }
    }
    public func responseBodyLengthChanges() {
        responseFlow.bodyLengthChanges = true
        if case .exactly = response.body { response.body = BodyLength.chunked }
    }

    /// Neither body nor trailers follow the head.
    package var isRequestHeadOnly: Bool { requestFlow.headEnds }
    package var isResponseHeadOnly: Bool { responseFlow.headEnds }

    /// The request's head has gone on behind the last filter, or never will.
    package var isRequestHeadPassed: Bool { requestFlow.isHeadPassed }
    package var isResponseHeadPassed: Bool { responseFlow.isHeadPassed }

    package var bodyLimit: ByteCount { chain?.bodyLimit ?? 0 }

    /// The request body that a filter of this chain has had collected.
    public var collectedRequestBody: [UInt8]? { requestFlow.collectedBody }
    public var collectedResponseBody: [UInt8]? { responseFlow.collectedBody }
}
