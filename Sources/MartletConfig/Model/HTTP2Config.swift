package import MartletCore

/// What one client's HTTP/2 connection may have and do.
package struct HTTP2Config: Sendable, Equatable {
    /// Bytes of a request's body that may be on their way unasked. Default 256KiB, 64KiB to 16MiB.
    package var initialStreamWindow: ByteCount = .kibibytes(256)
    /// The same of all of a connection's requests together. Default 1MiB, 64KiB to 64MiB.
    package var initialConnectionWindow: ByteCount = .mebibytes(1)
    /// The decoder's table of header fields (RFC 7541 section 4.2). Default 4KiB, 0 to 64KiB.
    package var headerTableSize: ByteCount = .kibibytes(4)
    package var floods = HTTP2FloodConfig()

    package init() {}

    init(_ section: ConfigSection) {
        initialStreamWindow = section.size(
            "initial_stream_window", default: initialStreamWindow, in: .kibibytes(64) ... .mebibytes(16))
        initialConnectionWindow = section.size(
            "initial_connection_window", default: max(initialConnectionWindow, initialStreamWindow),
            in: .kibibytes(64) ... .mebibytes(64))
        headerTableSize = section.size("header_table_size", default: headerTableSize, in: 0 ... .kibibytes(64))
        floods = section.section("floods").map { HTTP2FloodConfig($0) } ?? floods
        section.checkWindows(initialStreamWindow, initialConnectionWindow)
    }

    var json: ConfigJSON {
        .object([
            ("initial_stream_window", .string(ConfigText.size(initialStreamWindow))),
            ("initial_connection_window", .string(ConfigText.size(initialConnectionWindow))),
            ("header_table_size", .string(ConfigText.size(headerTableSize))), ("floods", floods.json),
        ])
    }
}

/// How a cluster's HTTP/2 connections are used.
package struct ClusterHTTP2Config: Sendable, Equatable {
    /// Requests at once on one connection, or fewer if the endpoint says so. Default 1024, 1 to 1 million.
    package var maxConcurrentStreams = 1024
    /// Bytes of a response's body that may be on their way unasked. Default 256KiB, 64KiB to 16MiB.
    package var initialStreamWindow: ByteCount = .kibibytes(256)
    /// The same of all of a connection's responses together. Default 16MiB, 64KiB to 256MiB.
    package var initialConnectionWindow: ByteCount = .mebibytes(16)
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
            "initial_stream_window", default: initialStreamWindow, in: .kibibytes(64) ... .mebibytes(16))
        initialConnectionWindow = section.size(
            "initial_connection_window", default: initialConnectionWindow, in: .kibibytes(64) ... .mebibytes(256))
        headerTableSize = section.size("header_table_size", default: headerTableSize, in: 0 ... .kibibytes(64))
        (pingInterval, pingTimeout) = section.pings(default: pingTimeout)
        section.checkWindows(initialStreamWindow, initialConnectionWindow)
    }

    var json: ConfigJSON {
        .object([
            ("max_concurrent_streams", .number(maxConcurrentStreams)),
            ("initial_stream_window", .string(ConfigText.size(initialStreamWindow))),
            ("initial_connection_window", .string(ConfigText.size(initialConnectionWindow))),
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
