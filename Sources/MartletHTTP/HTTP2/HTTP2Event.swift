/// What receiving, or sending, came to for one stream or for the connection.
package struct HTTP2Event {
    package let kind: Kind
    /// 0 for what concerns the connection.
    package let stream: Int32
    /// What `setTag` said of the stream; 0 before.
    package let tag: Int

    package enum Kind {
        /// Server role: a request begins. `session.take(head, into:)` fills a `RequestHead`. `endsHere`: it has no body.
        case request(HTTP2Head, endsHere: Bool)
        /// Client role: the final response begins. `session.take(head, into:)` fills a `ResponseHead`.
        case response(HTTP2Head, endsHere: Bool)
        /// Client role: a 1xx head; another follows.
        case informational(HTTP2Head)
        /// A piece of body: a range of the input of the latest `receive`. `endsHere`: the message ends with it. Every byte is
        /// to be given back by `consumed` once it has been taken.
        case data(Range<Int>, endsHere: Bool)
        /// The message ends with trailers. `session.take(head, into:)` fills a `HeaderTable`.
        case trailers(HTTP2Head)
        /// The message ends, without bytes or trailers of its own.
        case end
        /// The stream is over in both directions and its number means nothing any more. The last event of every stream.
        case closed(HTTP2Close)
        /// The peer's settings came or changed; see `canOpenStream`, `peerAllowsExtendedConnect`.
        case settings
        /// The peer answers no further streams; those beyond `lastStream` end as `closed(.refused)`.
        case goAway(lastStream: Int32, error: HTTP2Error)
        /// The answer to `ping`.
        case pong(UInt64)
        /// What `askDrained` asked for.
        case drained
    }
}

/// How a stream came to its end.
package enum HTTP2Close: Sendable, Equatable {
    /// Both sides sent all they had.
    case complete
    /// The peer did not look at the request: it may be sent again elsewhere (RFC 9113 section 8.7).
    case refused
    /// The peer reset it.
    case resetByPeer(HTTP2Error)
    /// `reset` was called.
    case reset(HTTP2Error)
    /// The session reset it, for what the peer sent broke the rules; or the connection failed.
    case failed(HTTP2Error)
}

/// A head or trailers that came, to be taken before the next `receive`.
package struct HTTP2Head {
    let index: UInt32
    let endsHere: Bool
}
