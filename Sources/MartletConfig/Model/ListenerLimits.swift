package import MartletCore

/// What one listener spends on its clients at most.
package struct ListenerLimits: Sendable {
    /// Connections open at once; further ones are closed at once. Default 10000, 1 to 10 million.
    package var maxConnections = 10_000
    /// Bytes of a request's head, request line included; more is 431. Default 64KiB, 1KiB to 1MiB.
    package var requestHeaders: ByteCount = .kibibytes(64)
    /// Header fields of a request; more is 431. Default 100, 1 to 10000.
    package var headerCount = 100
    /// From a request's first byte to the end of its head; later is 408. Default 10s, 0 is none.
    package var requestHeadersTimeout: Duration? = .seconds(10)
    /// How long a connection may rest between requests. Default 1h, 0 is none.
    package var idleTimeout: Duration? = .seconds(3600)
    /// How long an exchange may go without a byte in either direction. Default 5m, 0 is none.
    package var streamIdleTimeout: Duration? = .seconds(300)
    /// Bytes kept for a receiver that is slower than its sender, in each direction of an exchange. Default
    /// 256KiB, 4KiB to 64MiB.
    package var streamBuffer: ByteCount = .kibibytes(256)
    /// Bytes of a body that a filter may hold back to see it whole; more is 413 or 500. Default 1MiB, 0 to 1GiB.
    package var filterBuffer: ByteCount = .mebibytes(1)
    /// How long a client is waited for that may be waiting for the server to speak first, where several protocols are taken
    /// on one port (`other`, `tls.optional` for tcp, `sni` with a target for the rest). Without a byte in that time the
    /// connection is served as one that is neither HTTP nor TLS. Default 200ms, 1ms to 1m.
    package var detectTimeout: Duration = .milliseconds(200)
    /// `protocol: tcp`: how long a connection may last. Default: nil, for ever.
    package var maxConnectionDuration: Duration?
    /// Requests under way on one HTTP/2 connection. Default 100, 1 to 1 million.
    package var maxConcurrentStreams = 100
    package var http2 = HTTP2Config()

    private static let ofHTTP = [
        "request_headers", "header_count", "request_headers_timeout", "stream_idle_timeout", "filter_buffer",
        "max_concurrent_streams", "http2",
    ]

    package init() {}

    init(_ section: ConfigSection, protocol listenerProtocol: ListenerProtocol) {
        maxConnections = section.int("max_connections", default: maxConnections, in: 1...10_000_000)
        requestHeaders = section.size(
            "request_headers", default: requestHeaders, in: .kibibytes(1) ... .mebibytes(1))
        headerCount = section.int("header_count", default: headerCount, in: 1...10_000)
        requestHeadersTimeout = section.timeout("request_headers_timeout", default: requestHeadersTimeout)
        idleTimeout = section.timeout("idle_timeout", default: idleTimeout)
        detectTimeout = section.duration(
            "detect_timeout", default: detectTimeout, in: .milliseconds(1) ... .seconds(60))
        maxConnectionDuration = section.timeout("max_connection_duration", default: nil)
        streamIdleTimeout = section.timeout("stream_idle_timeout", default: streamIdleTimeout)
        streamBuffer = section.size("stream_buffer", default: streamBuffer, in: .kibibytes(4) ... .mebibytes(64))
        filterBuffer = section.size("filter_buffer", default: filterBuffer, in: 0 ... .mebibytes(1024))
        maxConcurrentStreams = section.int(
            "max_concurrent_streams", default: maxConcurrentStreams, in: 1...1_000_000)
        http2 = section.section("http2").map { HTTP2Config($0) } ?? HTTP2Config()
        switch listenerProtocol {
        case .tcp:
            for key in Self.ofHTTP where section.has(key) {
                section.error(at: key, "has no meaning for protocol: tcp", hint: "remove it")
            }
        case .http:
            if section.has("max_connection_duration") {
                section.error(at: "max_connection_duration", "has no meaning for protocol: http", hint: "remove it")
            }
        }
    }
}

extension ConfigSection {
    /// A duration for which 0 means that there is none.
    package func timeout(_ key: String, default standard: Duration?) -> Duration? {
        guard let written = duration(key) else { return standard }
        return written == .zero ? nil : written
    }
}
