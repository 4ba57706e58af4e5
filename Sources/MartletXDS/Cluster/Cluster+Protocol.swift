internal import MartletXDSMessages
internal import SwiftProtobuf

// How a cluster speaks HTTP: `protocol`, `http2`, `idle_timeout` and `limits`, all in one extension.

private typealias Options = Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions

extension ClusterMessage {
    private static let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    mutating func writeProtocol(_ cluster: DocumentSection) {
        var options = Options()
        if let timeout = cluster.duration("idle_timeout") {
            options.commonHTTPProtocolOptions.idleTimeout = .init(timeout)
        }
        let limits = cluster.section("limits")
        if let count = Google_Protobuf_UInt32Value(limits?.int("header_count")) {
            options.commonHTTPProtocolOptions.maxHeadersCount = count
        }
        if let size = limits?.size("response_headers"), size % 1024 == 0, size > 0 {
            options.commonHTTPProtocolOptions.maxResponseHeadersKb = .init(UInt32(size / 1024))
        }
        let http2 = Envoy_Config_Core_V3_Http2ProtocolOptions(cluster.section("http2") ?? DocumentSection())
        switch cluster.text("protocol") {
        case "http2": options.explicitHTTPConfig.http2ProtocolOptions = http2
        case "auto": options.autoConfig = .with { ($0.httpProtocolOptions, $0.http2ProtocolOptions) = (.init(), http2) }
        default:
            guard options != Options() else { return }
            options.explicitHTTPConfig.httpProtocolOptions = .init()
        }
        typedExtensionProtocolOptions[Self.key] = Google_Protobuf_Any(of: options)
    }

    func readProtocol(_ cluster: inout DocumentSection, _ reading: ResourceReading) {
        for key in typedExtensionProtocolOptions.keys.sorted() where key != Self.key {
            reading.unsupported("typed_extension_protocol_options", key)
        }
        guard let any = typedExtensionProtocolOptions[Self.key],
            let options = reading.unpack(any, as: Options.self, in: "typed_extension_protocol_options")
        else { return }
        switch options.upstreamProtocolOptions {
        case .explicitHTTPConfig(let config):
            guard case .http2ProtocolOptions(let http2) = config.protocolConfig else { break }
            cluster["protocol"] = .text("http2")
            cluster.put("http2", http2.document(reading))
        case .autoConfig(let config):
            cluster["protocol"] = .text("auto")
            cluster.put("http2", config.http2ProtocolOptions.document(reading))
        case nil: reading.error("HttpProtocolOptions: no upstream_protocol_options that Martlet knows are named")
        }
        let common = options.commonHTTPProtocolOptions
        if common.hasIdleTimeout { cluster["idle_timeout"] = common.idleTimeout.document }
        var limits = DocumentSection()
        if common.hasMaxResponseHeadersKb {
            limits["response_headers"] = .size(Int(common.maxResponseHeadersKb.value) * 1024)
        }
        if common.hasMaxHeadersCount { limits["header_count"] = .int(common.maxHeadersCount.value) }
        cluster.put("limits", limits)
    }
}

extension Envoy_Config_Core_V3_Http2ProtocolOptions {
    /// A cluster's `http2`, or what a listener has under `limits`.
    init(_ http2: DocumentSection) {
        self.init()
        if let count = Google_Protobuf_UInt32Value(http2.int("max_concurrent_streams")) { maxConcurrentStreams = count }
        if let size = Google_Protobuf_UInt32Value(http2.size("initial_stream_window")) {
            initialStreamWindowSize = size
        }
        if let size = Google_Protobuf_UInt32Value(http2.size("initial_connection_window")) {
            initialConnectionWindowSize = size
        }
        if let size = Google_Protobuf_UInt32Value(http2.size("header_table_size")) { hpackTableSize = size }
        guard let interval = http2.duration("ping_interval"), interval != .zero else { return }
        connectionKeepalive.interval = .init(interval)
        // Envoy wants one where there is an interval.
        connectionKeepalive.timeout = .init(http2.duration("ping_timeout") ?? .seconds(20))
    }

    func document(_ reading: ResourceReading) -> DocumentSection {
        var http2 = DocumentSection()
        if hasMaxConcurrentStreams {
            http2["max_concurrent_streams"] = .int(min(maxConcurrentStreams.value, 1_000_000))
        }
        if hasInitialStreamWindowSize { http2["initial_stream_window"] = .size(initialStreamWindowSize.value) }
        if hasInitialConnectionWindowSize {
            http2["initial_connection_window"] = .size(initialConnectionWindowSize.value)
        }
        if hasHpackTableSize { http2["header_table_size"] = .size(hpackTableSize.value) }
        if connectionKeepalive.hasInterval {
            http2["ping_interval"] = connectionKeepalive.interval.document
            let timeout = connectionKeepalive.timeout.document
            if timeout != .duration(.seconds(20)) { http2["ping_timeout"] = timeout }
        }
        return http2
    }
}
