public import MartletCore
public import MartletHTTP

/// What a streamed call tells: a head, pieces of body, the end; or a failure in the place of what is missing.
public enum CallEvent {
    case head(ResponseHead)
    case body(ByteSlice)
    /// The response is whole. The last event.
    case ended
    /// No more will come. The last event.
    case failed(CallFailure)
    /// What was sent has left, after `isFull` had been found true.
    case writable
}

/// Who carries a streamed call.
package protocol CallStreamCarrier: AnyObject {
    func send(_ bytes: Span<UInt8>)
    func endRequest()
    /// As `CallStream.isFull`; true promises a `.writable`.
    func checkFull() -> Bool
    func pause()
    func resume()
    func cancel()
    /// As `CallStream.trailers`.
    var trailers: HeaderTable? { get }
}

extension CallStreamCarrier {
    package var trailers: HeaderTable? { nil }
}

/// A call whose bodies pass in pieces, with back-pressure both ways. Cancelled by itself when its exchange ends; after
/// `cancel`, and after `.ended` or `.failed`, nothing is heard of it and nothing is sent.
///
/// A request that an HTTP/2 endpoint refuses unseen is made again by itself, for as long as it was of 64 KiB or less.
public final class CallStream {
    private let carrier: any CallStreamCarrier

    package init(_ carrier: any CallStreamCarrier) { self.carrier = carrier }

    /// Sends a piece of the request's body, for requests made with `streamsBody`. Bytes that upstream does not take are
    /// kept: look at `isFull` before sending more.
    public func send(_ bytes: Span<UInt8>) { carrier.send(bytes) }
    /// The request's body is over.
    public func endRequest() { carrier.endRequest() }
    /// 64 KiB or more wait to be sent: `.writable` tells when they have been.
    public var isFull: Bool { carrier.checkFull() }
    /// No `.body` until `resume`, but for what has been read already: up to 72 KiB.
    public func pause() { carrier.pause() }
    public func resume() { carrier.resume() }
    public func cancel() { carrier.cancel() }
    /// Of a response that has ended; they are this call's own for as long as it is held. Nil when the carrier keeps none.
    package var trailers: HeaderTable? { carrier.trailers }
}

extension Exchange {
    /// Sends `request` to a cluster and hears in pieces what comes of it, on this worker, maybe before this returns.
    /// Nil when the exchange has no worker.
    public func stream(_ request: CallRequest, _ events: @escaping (CallEvent) -> Void) -> CallStream? {
        let generation = self.generation
        return host.services?.stream(request, of: self) { [weak self] event in
            guard let self, self.generation == generation, self.isOpen else { return }
            events(event)
        }
    }
}
