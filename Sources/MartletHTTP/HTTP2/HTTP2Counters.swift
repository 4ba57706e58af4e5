/// What a session has counted since it began.
package struct HTTP2Counters: Sendable, Equatable {
    /// RST_STREAM frames that came for open streams.
    package var resetsReceived: UInt64 = 0
    /// RST_STREAM frames of ours for what the peer did wrong.
    package var resetsProvoked: UInt64 = 0
    package var continuations: UInt64 = 0
    package var settings: UInt64 = 0
    package var pings: UInt64 = 0
    package var emptyData: UInt64 = 0
    package var priorities: UInt64 = 0
    package var windowUpdates: UInt64 = 0
    package var unknownFrames: UInt64 = 0
    package var strayFrames: UInt64 = 0
    package var refusedStreams: UInt64 = 0
    package var headsTooLarge: UInt64 = 0

    package init() {}
}
