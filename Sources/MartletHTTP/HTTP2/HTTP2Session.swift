package import MartletCore

/// One HTTP/2 connection, in either role: bytes to events, messages to bytes. No I/O, no clock. Not thread-safe.
///
/// Reading: `receive`, then `nextEvent` until nil, again with what was not consumed; then `flush`, for most of what comes has
/// to be answered. Writing: `send…`, then `flush` into the socket, as long as the socket has room. Both may bring events.
package final class HTTP2Session {
    package enum Role: Sendable { case server, client }

    package enum State: Sendable, Equatable {
        case open
        /// GOAWAY was sent or received: no new streams, those open go on.
        case draining
        /// The connection is beyond use. Flush what is queued, which says why to the peer, and close.
        case failed(HTTP2Fault, HTTP2Error)
    }

    package let role: Role
    package let settings: HTTP2Settings
    package let limits: HTTP2Limits

    /// Nil without memory.
    package init?(role: Role, settings: HTTP2Settings, limits: HTTP2Limits) {
        self.role = role
        self.settings = settings
        self.limits = limits
        return nil
    }

    // MARK: Receiving

    /// Decodes `input` and says how much of it was taken: all of it, or less when a batch of events is full; then the rest is
    /// to be passed again once the events have been walked. An incomplete frame needs no keeping by the caller.
    package func receive(_ input: Span<UInt8>, now: Instant) -> Int { 0 }

    /// The next event, in order. Ranges in it are of the latest `receive`'s input.
    package func nextEvent() -> HTTP2Event? { nil }

    /// Fills a request's head. When it throws the stream is still open: answer `fault.status`, or `reset`.
    package func take(_ head: HTTP2Head, into request: RequestHead) throws(HTTP2Fault) {}

    /// Fills a response's head.
    package func take(_ head: HTTP2Head, into response: ResponseHead) throws(HTTP2Fault) {}

    /// Fills trailers with the fields that may stand there.
    package func take(_ head: HTTP2Head, into trailers: HeaderTable) throws(HTTP2Fault) {}

    /// The application has taken `count` bytes of the stream's DATA: the peer may send as many more. Also after the stream
    /// has ended; what was never taken is given back to the connection when the stream closes.
    package func consumed(_ count: Int, of stream: Int32) {}

    // MARK: Sending

    /// Client role: opens a stream. `ended`: no body and no trailers follow. Nil, and nothing is sent, when the head cannot be
    /// encoded; ask `canOpenStream` before.
    package func sendRequest(_ head: RequestHead, ended: Bool, tag: Int) -> Int32? { nil }

    /// Server role: the final response's head. `keepsLength`: content-length describes what is not sent, as for HEAD.
    /// False, and nothing is sent, when it cannot be encoded.
    package func sendResponse(
        _ head: ResponseHead, framing: BodyLength, keepsLength: Bool, ended: Bool, on stream: Int32
    ) -> Bool { false }

    /// Server role: a 1xx head.
    package func sendInformational(_ head: ResponseHead, on stream: Int32) -> Bool { false }

    /// Queues body. `ended`: the message ends with it.
    package func sendData(_ slice: ByteSlice, ended: Bool, on stream: Int32) {}

    /// Ends the message with trailers, behind the body that is queued. False, and the message goes on, when they cannot be
    /// encoded.
    package func sendTrailers(_ trailers: HeaderTable, on stream: Int32) -> Bool { false }

    /// Body of the stream that is queued here.
    package func queuedBytes(of stream: Int32) -> Int { 0 }

    /// Ends the stream now; what is queued for it is dropped. `provoked`: for what the peer did wrong, which counts.
    package func reset(_ stream: Int32, _ error: HTTP2Error, provoked: Bool = false) {}

    /// Writes frames until there are none or `limit` bytes have been written; says how many were.
    package func flush(into output: any HTTP2Output, atMost limit: Int) -> Int { 0 }

    /// There are frames that can be written now.
    package var wantsFlush: Bool { false }

    // MARK: The connection

    package var state: State { .open }
    package var counters: HTTP2Counters { HTTP2Counters() }
    /// Streams open in either direction.
    package var openStreams: Int { 0 }
    /// Client role: another stream may be opened now.
    package var canOpenStream: Bool { false }
    /// How many streams the peer takes at once.
    package var peerMaxStreams: UInt32 { 0 }
    package var peerAllowsExtendedConnect: Bool { false }

    /// What `event.tag` is for the stream from now on.
    package func setTag(_ tag: Int, of stream: Int32) {}

    /// Streams with body to send whose peer gives no window.
    package var hasStalledStreams: Bool { false }
    package func isStalled(_ stream: Int32) -> Bool { false }

    package func ping(_ payload: UInt64) {}

    /// Server role, the first step of a graceful end: the client opens no further streams once it hears of it. Those under
    /// way are served.
    package func announceShutdown() {}

    /// The second step, a round trip or a second later: streams that come now are not looked at. Also a client's goodbye.
    package func goAway(_ error: HTTP2Error) {}
}
