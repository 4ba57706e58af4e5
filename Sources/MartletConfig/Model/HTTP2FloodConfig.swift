/// What a client may do to an HTTP/2 connection that costs it little and us more. Beyond a bound it is told to go away
/// (GOAWAY, ENHANCE_YOUR_CALM) and the connection ends: no client that means well comes near one.
package struct HTTP2FloodConfig: Sendable, Equatable {
    /// So many at once, and so many a second in the long run.
    package struct Allowance: Sendable, Equatable {
        /// 1 to 1 million.
        package var burst: Int
        /// 1 to 1 million.
        package var perSecond: Int
    }

    /// Streams that the client resets (rapid reset). Default 500 and 100.
    package var resets = Allowance(burst: 500, perSecond: 100)
    /// Streams that its faults make us reset (MadeYouReset). Default 100 and 10.
    package var provokedResets = Allowance(burst: 100, perSecond: 10)
    /// Default 100 and 10.
    package var settings = Allowance(burst: 100, perSecond: 10)
    /// Every frame of a message earns two more. Default 500 and 50.
    package var pings = Allowance(burst: 500, perSecond: 50)
    /// DATA without bytes that does not end its stream. Default 100 and 10.
    package var emptyData = Allowance(burst: 100, perSecond: 10)
    /// PRIORITY and PRIORITY_UPDATE. Every stream earns four more. Default 500 and 50.
    package var priorities = Allowance(burst: 500, perSecond: 50)
    /// Every frame of a message, in either direction, earns ten more. Default 1000 and 100.
    package var windowUpdates = Allowance(burst: 1000, perSecond: 100)
    /// Frames of types that nobody knows. Default 200 and 20.
    package var unknownFrames = Allowance(burst: 200, perSecond: 20)
    /// Frames for streams that are over. Every stream earns ten more. Default 1000 and 100.
    package var strayFrames = Allowance(burst: 1000, perSecond: 100)
    /// Streams beyond `max_concurrent_streams`. Default 1000 and 100.
    package var refusedStreams = Allowance(burst: 1000, perSecond: 100)
    /// CONTINUATION frames of one head. Nil, which is the default: 16, or one for every 8KiB that a head may have when that is
    /// more. 1 to 1000.
    package var continuations: Int?
    /// Frames queued for a client that does not read. Default 1000, 10 to 100000.
    package var queuedFrames = 1000

    package init() {}

    private static var allowances: [(key: String, path: WritableKeyPath<HTTP2FloodConfig, Allowance>)] {
        [
            ("resets", \.resets), ("provoked_resets", \.provokedResets), ("settings", \.settings), ("pings", \.pings),
            ("empty_data", \.emptyData), ("priorities", \.priorities), ("window_updates", \.windowUpdates),
            ("unknown_frames", \.unknownFrames), ("stray_frames", \.strayFrames),
            ("refused_streams", \.refusedStreams),
        ]
    }

    init(_ section: ConfigSection) {
        let bounds = 1...1_000_000
        for (key, path) in Self.allowances {
            guard let inner = section.section(key) else { continue }
            let standard = self[keyPath: path]
            self[keyPath: path] = Allowance(
                burst: inner.int("burst", default: standard.burst, in: bounds),
                perSecond: inner.int("per_second", default: standard.perSecond, in: bounds))
        }
        continuations = section.int("continuations", in: 1...1000)
        queuedFrames = section.int("queued_frames", default: queuedFrames, in: 10...100_000)
    }

    var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = Self.allowances.map { key, path in
            let allowance = self[keyPath: path]
            return (
                key, .object([("burst", .number(allowance.burst)), ("per_second", .number(allowance.perSecond))])
            )
        }
        members += [("continuations", continuations.map { .number($0) }), ("queued_frames", .number(queuedFrames))]
        return .object(members)
    }
}
