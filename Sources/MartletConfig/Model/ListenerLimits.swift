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

    init() {}

    init(_ section: ConfigSection) {
        maxConnections = section.int("max_connections", default: maxConnections, in: 1...10_000_000)
        requestHeaders = section.size(
            "request_headers", default: requestHeaders, in: .kibibytes(1) ... .mebibytes(1))
        headerCount = section.int("header_count", default: headerCount, in: 1...10_000)
        requestHeadersTimeout = section.timeout("request_headers_timeout", default: requestHeadersTimeout)
        idleTimeout = section.timeout("idle_timeout", default: idleTimeout)
        streamIdleTimeout = section.timeout("stream_idle_timeout", default: streamIdleTimeout)
        streamBuffer = section.size("stream_buffer", default: streamBuffer, in: .kibibytes(4) ... .mebibytes(64))
        filterBuffer = section.size("filter_buffer", default: filterBuffer, in: 0 ... .mebibytes(1024))
    }
}

extension ConfigSection {
    /// A duration for which 0 means that there is none.
    package func timeout(_ key: String, default standard: Duration?) -> Duration? {
        guard let written = duration(key) else { return standard }
        return written == .zero ? nil : written
    }
}
