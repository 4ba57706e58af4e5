/// How often something may happen: `burst` times at once, and `perSecond` times a second in the long run.
package struct HTTP2Allowance: Sendable, Equatable {
    package var burst: UInt32
    package var perSecond: UInt32

    package init(burst: UInt32, perSecond: UInt32) {
        self.burst = burst
        self.perSecond = perSecond
    }
}

/// Bounds of what a session takes from its peer. What is beyond a head's bounds costs the peer that stream; whoever goes
/// beyond another is told ENHANCE_YOUR_CALM and the connection ends. One object shared by all sessions of a listener or
/// cluster.
package final class HTTP2Limits: Sendable {
    /// Names and values of a head or of trailers, in bytes, as HTTP/1.1 would write them. Default 64 KiB. A head of more than
    /// twice that is not read to its end.
    package let head: Int
    /// Fields of a head, and of trailers. Default 100 (Envoy's `max_headers_count`).
    package let fields: Int
    /// 1xx heads before the final one. Default 8.
    package let informational: Int
    /// CONTINUATION frames of one header block. Default 16, or one for every 8 KiB of `head` when that is more.
    package let continuations: UInt32
    /// Empty CONTINUATION frames of one header block. Default 2.
    package let emptyContinuations: UInt32
    /// Frames we have to send and the peer does not take: acknowledgements, resets, window updates. Default 1,000.
    package let queuedFrames: UInt32
    /// RST_STREAM of streams the peer opened (rapid reset). Default 500, and 100 a second.
    package let resets: HTTP2Allowance
    /// Streams that we have to reset for a fault of the peer. Default 100, and 10 a second.
    package let provokedResets: HTTP2Allowance
    /// Default 100, and 10 a second.
    package let settings: HTTP2Allowance
    /// Every frame of a message earns two more. Default 500, and 50 a second.
    package let pings: HTTP2Allowance
    /// DATA without bytes that does not end its stream. Default 100, and 10 a second.
    package let emptyData: HTTP2Allowance
    /// PRIORITY and PRIORITY_UPDATE. Every stream earns four more. Default 500, and 50 a second.
    package let priorities: HTTP2Allowance
    /// Every frame of a message, in either direction, earns ten more. Default 1,000, and 100 a second.
    package let windowUpdates: HTTP2Allowance
    /// Frames of types we do not know. Default 200, and 20 a second.
    package let unknownFrames: HTTP2Allowance
    /// DATA, HEADERS and RST_STREAM for streams that are over. Every stream earns ten more. Default 1,000, and 100 a second.
    package let strayFrames: HTTP2Allowance
    /// Streams beyond `maxConcurrentStreams`. Default 1,000, and 100 a second.
    package let refusedStreams: HTTP2Allowance

    package init(
        head: Int = 65_536, fields: Int = 100, informational: Int = 8, continuations: UInt32? = nil,
        emptyContinuations: UInt32 = 2, queuedFrames: UInt32 = 1000,
        resets: HTTP2Allowance = HTTP2Allowance(burst: 500, perSecond: 100),
        provokedResets: HTTP2Allowance = HTTP2Allowance(burst: 100, perSecond: 10),
        settings: HTTP2Allowance = HTTP2Allowance(burst: 100, perSecond: 10),
        pings: HTTP2Allowance = HTTP2Allowance(burst: 500, perSecond: 50),
        emptyData: HTTP2Allowance = HTTP2Allowance(burst: 100, perSecond: 10),
        priorities: HTTP2Allowance = HTTP2Allowance(burst: 500, perSecond: 50),
        windowUpdates: HTTP2Allowance = HTTP2Allowance(burst: 1000, perSecond: 100),
        unknownFrames: HTTP2Allowance = HTTP2Allowance(burst: 200, perSecond: 20),
        strayFrames: HTTP2Allowance = HTTP2Allowance(burst: 1000, perSecond: 100),
        refusedStreams: HTTP2Allowance = HTTP2Allowance(burst: 1000, perSecond: 100)
    ) {
        self.head = head
        self.fields = fields
        self.informational = informational
        self.continuations = continuations ?? UInt32(clamping: max(16, head / 8192))
        self.emptyContinuations = emptyContinuations
        self.queuedFrames = queuedFrames
        self.resets = resets
        self.provokedResets = provokedResets
        self.settings = settings
        self.pings = pings
        self.emptyData = emptyData
        self.priorities = priorities
        self.windowUpdates = windowUpdates
        self.unknownFrames = unknownFrames
        self.strayFrames = strayFrames
        self.refusedStreams = refusedStreams
    }
}
