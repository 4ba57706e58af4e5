/// Where a request stands in its trace. Ids are in the order of their hexadecimal digits; none is zero but `parentID`.
public struct TraceContext: Sendable, Equatable {
    /// Zero for a trace whose ids have 64 bits.
    public var traceHigh: UInt64
    public var traceLow: UInt64
    /// Of the span that this proxy serves the request in.
    public var spanID: UInt64
    /// Of the span that the request came from; zero when the trace begins here.
    public var parentID: UInt64
    /// Of the span in which upstream is asked, and so what upstream is told its parent is.
    public var upstreamSpanID: UInt64
    /// The trace is recorded.
    public var isSampled: Bool
    /// W3C's random flag: the trace id's last 56 bits are random.
    public var isRandom = false
    /// B3's debug flag: recorded whatever the rates say.
    public var isDebug = false

    public init(
        traceHigh: UInt64, traceLow: UInt64, spanID: UInt64, parentID: UInt64, upstreamSpanID: UInt64, isSampled: Bool
    ) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.spanID = spanID
        self.parentID = parentID
        self.upstreamSpanID = upstreamSpanID
        self.isSampled = isSampled
    }
}
