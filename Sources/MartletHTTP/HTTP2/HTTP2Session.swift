internal import CHTTP2
package import MartletCore

/// One HTTP/2 connection, in either role: bytes to events, messages to bytes. No I/O, no clock. Not thread-safe.
///
/// Reading: `receive`, then `nextEvent` until nil, again with what was not consumed; then `flush`, for most of what comes has
/// to be answered. Writing: `send…`, then `flush` into the socket, as long as the socket has room. Every function may bring
/// events, so they are walked after each.
@safe
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
    /// Owned here alone and freed with this object; every call below passes it on while it lives.
    let session: OpaquePointer
    /// Body that waits, by the slots of the C side.
    var queues: [HTTP2SendQueue] = []
    /// Small pieces of body, until they are sent.
    var staging: ByteBuffer?
    /// Digits of a head that is being put together; nothing else may lie here meanwhile.
    let digits = ByteBuffer(capacity: 64)

    /// Nil without memory.
    package init?(role: Role, settings: HTTP2Settings, limits: HTTP2Limits) {
        var config = mrt_h2_config(isServer: role == .server, settings, limits)
        guard let session = unsafe mrt_h2_new(&config) else { return nil }
        self.role = role
        self.settings = settings
        self.limits = limits
        unsafe self.session = session
    }

    deinit { unsafe mrt_h2_free(session) }

    // MARK: Receiving

    /// Decodes `input` and says how much of it was taken: all of it, or less when a batch of events is full; then the rest is
    /// to be passed again once the events have been walked. An incomplete frame needs no keeping by the caller.
    ///
    /// Events of before must have been walked. `now` is what allowances are counted by; it never goes back.
    package func receive(_ input: Span<UInt8>, now: Instant) -> Int {
        unsafe input.withUnsafeBytes {
            // The C side reads these bytes during the call and keeps no pointer.
            unsafe mrt_h2_receive(session, $0.baseAddress, $0.count, now.nanoseconds)
        }
    }

    /// The next event, in order. Ranges in it are of the latest `receive`'s input.
    package func nextEvent() -> HTTP2Event? {
        var event = mrt_h2_event()
        guard unsafe mrt_h2_next(session, &event) else { return nil }
        if UInt32(event.kind) == MRT_H2_CLOSED.rawValue, Int(event.slot) < queues.count {
            queues[Int(event.slot)].removeAll()
        }
        return HTTP2Event(event)
    }

    /// The application has taken `count` bytes of the stream's DATA: the peer may send as many more. What was never taken is
    /// given back to the connection when the stream closes; then this does nothing.
    package func consumed(_ count: Int, of stream: Int32) { unsafe mrt_h2_consumed(session, stream, max(count, 0)) }

    /// Gives back the memory that only a connection at work needs: for one that has been idle for a while. Does nothing while
    /// streams are open, events wait or frames are queued.
    package func trim() {
        staging = nil
        unsafe mrt_h2_trim(session)
        if openStreams == 0 { queues = [] }
    }

    // MARK: The connection

    package var state: State {
        var code: UInt32 = 0
        let fault = unsafe mrt_h2_failure(session, &code)
        guard fault.rawValue != MRT_H2_FINE.rawValue else {
            return unsafe mrt_h2_draining(session) ? .draining : .open
        }
        return .failed(HTTP2Fault(fault), HTTP2Error(code: code))
    }

    package var counters: HTTP2Counters { HTTP2Counters { unsafe mrt_h2_count(session, $0) } }
    /// A head has begun to come and has not ended: what a timer should not find for long.
    package var isReceivingHead: Bool { unsafe mrt_h2_in_head(session) }
    /// Memory that decoded heads and events take, in bytes: what has been needed at once so far.
    package var heldHeadBytes: Int { unsafe mrt_h2_held(session) }
    /// What the encoder's HPACK table holds, in bytes, as RFC 7541 section 4.1 counts.
    package var encoderTableBytes: Int { unsafe mrt_h2_encoder_table(session) }
    /// Streams open in either direction.
    package var openStreams: Int { unsafe Int(mrt_h2_open_streams(session)) }
    /// Client role: another stream may be opened now.
    package var canOpenStream: Bool { unsafe mrt_h2_can_open(session) }
    package var peerAllowsExtendedConnect: Bool { unsafe mrt_h2_peer_connects(session) }

    /// What `event.tag` is for the stream from now on.
    package func setTag(_ tag: Int, of stream: Int32) { unsafe mrt_h2_set_tag(session, stream, Int64(tag)) }

    /// Some stream has body to send and its peer gives no window: what a timer should look for, and not find for long.
    package func isStalled(_ stream: Int32) -> Bool { unsafe mrt_h2_stalled(session, stream) }

    /// The peer answers with `pong` and the same payload.
    package func ping(_ payload: UInt64) { unsafe mrt_h2_ping(session, payload) }

    /// Server role, the first step of a graceful end: the client opens no further streams once it hears of it. Those under
    /// way are served.
    package func announceShutdown() { unsafe mrt_h2_announce_shutdown(session) }

    /// The second step, a round trip or a second later: streams that come from now on are not looked at. Also a client's
    /// goodbye. With an error the connection ends at once: every open stream closes as failed.
    package func goAway(_ error: HTTP2Error) {
        if error == .noError {
            unsafe mrt_h2_goaway(session)
        } else {
            unsafe mrt_h2_fail(session, MRT_H2_ENDED, error.rawValue)
        }
    }
}
