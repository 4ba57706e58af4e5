package import MartletCore

/// What one client's HTTP/2 connection may have and do. Beyond a bound of the second kind it is told to go away
/// (GOAWAY, ENHANCE_YOUR_CALM) and closed: no client that means well comes near one.
package struct HTTP2Config: Sendable, Equatable {
    /// Bytes of a request's body that may be on their way unasked. Default 256KiB, 16KiB to 16MiB.
    package var initialStreamWindow: ByteCount = .kibibytes(256)
    /// The same of all of a connection's requests together. Default 1MiB, 64KiB to 64MiB.
    package var initialConnectionWindow: ByteCount = .mebibytes(1)
    /// The largest frame taken. Default 16KiB, 16KiB to 1MiB.
    package var maxFrameSize: ByteCount = .kibibytes(16)
    /// The decoder's table of header fields (RFC 7541 section 4.2). Default 4KiB, 0 to 64KiB.
    package var headerTableSize: ByteCount = .kibibytes(4)
    /// Ask a silent client whether it is there. Nil: never, which is the default. 1s to 1h.
    package var pingInterval: Duration?
    /// How long its answer may take. Default 20s, 100ms to 5m.
    package var pingTimeout = Duration.seconds(20)

    /// The time over which `maxResets` and `maxControlFrames` are counted. Default 10s, 1s to 10m.
    package var floodWindow = Duration.seconds(10)
    /// Streams that the client resets, or makes us reset, in a `floodWindow`. Default 1000, 1 to 1 million.
    package var maxResets = 1000
    /// PING and SETTINGS frames in a `floodWindow`. Default 10000, 1 to 10 million.
    package var maxControlFrames = 10_000
    /// DATA and HEADERS frames in a row without payload that end nothing. Default 10, 1 to 10000.
    package var maxEmptyFrames = 10
    /// CONTINUATION frames behind one HEADERS. Default 16, 1 to 1000.
    package var maxContinuationFrames = 16
    /// PRIORITY frames for each stream opened. Default 100, 1 to 10000.
    package var maxPriorityFrames = 100
    /// WINDOW_UPDATE frames for each DATA frame sent. Default 10, 1 to 10000.
    package var maxWindowUpdateFrames = 10
    /// Frames queued for a client that does not read. Default 10000, 100 to 1 million.
    package var maxOutboundFrames = 10_000
    /// Of these, PING and SETTINGS acknowledgements and resets. Default 1000, 10 to 100000.
    package var maxOutboundControlFrames = 1000

    package init() {}

    init(_ section: ConfigSection) {
        initialStreamWindow = section.size(
            "initial_stream_window", default: initialStreamWindow, in: .kibibytes(16) ... .mebibytes(16))
        initialConnectionWindow = section.size(
            "initial_connection_window", default: max(initialConnectionWindow, initialStreamWindow),
            in: .kibibytes(64) ... .mebibytes(64))
        maxFrameSize = section.size("max_frame_size", default: maxFrameSize, in: .kibibytes(16) ... .mebibytes(1))
        headerTableSize = section.size("header_table_size", default: headerTableSize, in: 0 ... .kibibytes(64))
        (pingInterval, pingTimeout) = section.pings(default: pingTimeout)
        floodWindow = section.duration("flood_window", default: floodWindow, in: .seconds(1) ... .seconds(600))
        maxResets = section.int("max_resets", default: maxResets, in: 1...1_000_000)
        maxControlFrames = section.int("max_control_frames", default: maxControlFrames, in: 1...10_000_000)
        maxEmptyFrames = section.int("max_empty_frames", default: maxEmptyFrames, in: 1...10_000)
        maxContinuationFrames = section.int(
            "max_continuation_frames", default: maxContinuationFrames, in: 1...1000)
        maxPriorityFrames = section.int("max_priority_frames", default: maxPriorityFrames, in: 1...10_000)
        maxWindowUpdateFrames = section.int("max_window_update_frames", default: maxWindowUpdateFrames, in: 1...10_000)
        maxOutboundFrames = section.int("max_outbound_frames", default: maxOutboundFrames, in: 100...1_000_000)
        maxOutboundControlFrames = section.int(
            "max_outbound_control_frames", default: maxOutboundControlFrames, in: 10...100_000)
        section.checkWindows(initialStreamWindow, initialConnectionWindow)
    }

    var json: ConfigJSON {
        .object([
            ("initial_stream_window", .string(ConfigText.size(initialStreamWindow))),
            ("initial_connection_window", .string(ConfigText.size(initialConnectionWindow))),
            ("max_frame_size", .string(ConfigText.size(maxFrameSize))),
            ("header_table_size", .string(ConfigText.size(headerTableSize))),
            ("ping_interval", .timeout(pingInterval)),
            ("ping_timeout", pingInterval == nil ? nil : .timeout(pingTimeout)),
            ("flood_window", .string(ConfigText.duration(floodWindow))),
            ("max_resets", .number(maxResets)),
            ("max_control_frames", .number(maxControlFrames)),
            ("max_empty_frames", .number(maxEmptyFrames)),
            ("max_continuation_frames", .number(maxContinuationFrames)),
            ("max_priority_frames", .number(maxPriorityFrames)),
            ("max_window_update_frames", .number(maxWindowUpdateFrames)),
            ("max_outbound_frames", .number(maxOutboundFrames)),
            ("max_outbound_control_frames", .number(maxOutboundControlFrames)),
        ])
    }
}

/// How a cluster's HTTP/2 connections are used.
package struct ClusterHTTP2Config: Sendable, Equatable {
    /// Requests at once on one connection, or fewer if the endpoint says so. Default 1024, 1 to 1 million.
    package var maxConcurrentStreams = 1024
    /// Bytes of a response's body that may be on their way unasked. Default 256KiB, 16KiB to 16MiB.
    package var initialStreamWindow: ByteCount = .kibibytes(256)
    /// The same of all of a connection's responses together. Default 16MiB, 64KiB to 256MiB.
    package var initialConnectionWindow: ByteCount = .mebibytes(16)
    /// The largest frame taken. Default 16KiB, 16KiB to 1MiB.
    package var maxFrameSize: ByteCount = .kibibytes(16)
    /// The decoder's table of header fields. Default 4KiB, 0 to 64KiB.
    package var headerTableSize: ByteCount = .kibibytes(4)
    /// Ask a silent endpoint whether it is there; without an answer within `pingTimeout` the connection is given up. Nil:
    /// never, which is the default: many gRPC servers close on clients that ask. 1s to 1h.
    package var pingInterval: Duration?
    /// Default 20s, 100ms to 5m.
    package var pingTimeout = Duration.seconds(20)

    package init() {}

    init(_ section: ConfigSection) {
        maxConcurrentStreams = section.int(
            "max_concurrent_streams", default: maxConcurrentStreams, in: 1...1_000_000)
        initialStreamWindow = section.size(
            "initial_stream_window", default: initialStreamWindow, in: .kibibytes(16) ... .mebibytes(16))
        initialConnectionWindow = section.size(
            "initial_connection_window", default: initialConnectionWindow, in: .kibibytes(64) ... .mebibytes(256))
        maxFrameSize = section.size("max_frame_size", default: maxFrameSize, in: .kibibytes(16) ... .mebibytes(1))
        headerTableSize = section.size("header_table_size", default: headerTableSize, in: 0 ... .kibibytes(64))
        (pingInterval, pingTimeout) = section.pings(default: pingTimeout)
        section.checkWindows(initialStreamWindow, initialConnectionWindow)
    }

    var json: ConfigJSON {
        .object([
            ("max_concurrent_streams", .number(maxConcurrentStreams)),
            ("initial_stream_window", .string(ConfigText.size(initialStreamWindow))),
            ("initial_connection_window", .string(ConfigText.size(initialConnectionWindow))),
            ("max_frame_size", .string(ConfigText.size(maxFrameSize))),
            ("header_table_size", .string(ConfigText.size(headerTableSize))),
            ("ping_interval", .timeout(pingInterval)),
            ("ping_timeout", pingInterval == nil ? nil : .timeout(pingTimeout)),
        ])
    }
}

extension ConfigSection {
    /// `ping_interval`, for which 0 is never, and `ping_timeout`.
    fileprivate func pings(default timeout: Duration) -> (interval: Duration?, timeout: Duration) {
        let interval = duration("ping_interval", default: .zero, in: .zero ... .seconds(3600))
        if interval > .zero, interval < .seconds(1) {
            error(at: "ping_interval", "is below 1s", hint: "1s or more; 0 is never")
        }
        let found = duration("ping_timeout", default: timeout, in: .milliseconds(100) ... .seconds(300))
        if interval == .zero, has("ping_timeout") {
            error(at: "ping_timeout", "is not used", hint: "add ping_interval")
        }
        return (interval == .zero ? nil : interval, found)
    }

    fileprivate func checkWindows(_ stream: ByteCount, _ connection: ByteCount) {
        guard connection < stream else { return }
        error(
            at: has("initial_connection_window") ? "initial_connection_window" : "initial_stream_window",
            "one stream's window would be larger than the connection's",
            hint: "write initial_connection_window: \(ConfigText.size(stream)) or more")
    }
}
