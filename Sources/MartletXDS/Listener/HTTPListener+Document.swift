internal import MartletXDSMessages
internal import SwiftProtobuf

// A listener of HTTP. Where Envoy's default is another than Martlet's the field is always written, and on the way back
// Martlet's default is left out.

extension ConnectionManager {
    private static let clientCertificate: [(String, ForwardClientCertDetails)] = [
        ("sanitize", .sanitize), ("forward_only", .forwardOnly), ("append_forward", .appendForward),
        ("sanitize_set", .sanitizeSet), ("always_forward_only", .alwaysForwardOnly),
    ]
    private static let slashes: [(String, PathWithEscapedSlashesAction)] = [
        ("keep", .keepUnchanged), ("reject", .rejectRequest), ("unescape", .unescapeAndForward),
    ]
    private static let serverHeaders: [(String, ServerHeaderTransformation)] = [
        ("overwrite", .overwrite), ("append_if_absent", .appendIfAbsent), ("pass_through", .passThrough),
    ]
    private static let details = ["subject", "uri", "dns"]

    init(_ listener: DocumentSection, _ secrets: inout SecretWriter) {
        self.init()
        statPrefix = listener.text("name") ?? ""
        rds.configSource = .aggregated
        rds.routeConfigName = statPrefix
        httpFilters = ChainNames(listener.list("filters") ?? []).links.map { .init($0, &secrets) }
        writeLimits(listener.section("limits") ?? DocumentSection())
        writeForwarding(listener)
        writeCertificates(listener)
        let upgrades = listener["upgrades"].map { $0.items?.compactMap(\.text) ?? [] } ?? ["websocket"]
        upgradeConfigs = upgrades.map { name in .with { $0.upgradeType = name == "connect" ? "CONNECT" : name } }
        if upgrades.contains("connect") { http2ProtocolOptions.allowConnect = true }
        normalizePath = .init(listener.bool("normalize_path") ?? true)
        mergeSlashes = listener.bool("merge_slashes") ?? true
        let action = listener.text("escaped_slashes") ?? "keep"
        pathWithEscapedSlashesAction = Self.slashes.first { $0.0 == action }?.1 ?? .keepUnchanged
    }

    func read(_ listener: inout DocumentSection, _ reading: ResourceReading) {
        if codecType == .http3 { reading.unsupported("codec_type", "HTTP3") }
        switch routeSpecifier {
        case .rds(let rds): reading.check(rds.configSource, in: "rds.config_source")
        case .routeConfig: break
        case nil: reading.error("HttpConnectionManager: there is no route_specifier that Martlet knows")
        }
        listener["filters"] = .list(HTTPFilterMessage.documents(httpFilters, reading))
        readLimits(&listener, reading)
        readForwarding(&listener, reading)
        readCertificates(&listener)
        let names = upgradeConfigs.filter { !$0.hasEnabled || $0.enabled.value }.map { $0.upgradeType.lowercased() }
        if names != ["websocket"] { listener["upgrades"] = names.isEmpty ? .word("off") : .texts(names) }
        if !normalizePath.value { listener["normalize_path"] = .bool(false) }
        if !mergeSlashes { listener["merge_slashes"] = .bool(false) }
        switch pathWithEscapedSlashesAction {
        case .keepUnchanged, .implementationSpecificDefault: break
        case .rejectRequest: listener["escaped_slashes"] = .text("reject")
        case .unescapeAndForward: listener["escaped_slashes"] = .text("unescape")
        case .unescapeAndRedirect, .UNRECOGNIZED:
            reading.unsupported("path_with_escaped_slashes_action", "\(pathWithEscapedSlashesAction)")
        }
    }

    // MARK: Limits

    private mutating func writeLimits(_ limits: DocumentSection) {
        if let time = limits.duration("idle_timeout") { commonHTTPProtocolOptions.idleTimeout = .init(time) }
        if let count = Google_Protobuf_UInt32Value(limits.int("header_count")) {
            commonHTTPProtocolOptions.maxHeadersCount = count
        }
        if let size = limits.size("request_headers"), size % 1024 == 0, size > 0 {
            maxRequestHeadersKb = .init(UInt32(size / 1024))
        }
        requestHeadersTimeout = .init(limits.duration("request_headers_timeout") ?? .seconds(10))
        if let time = limits.duration("stream_idle_timeout") { streamIdleTimeout = .init(time) }
        var http2 = limits.section("http2") ?? DocumentSection()
        http2["max_concurrent_streams"] = limits["max_concurrent_streams"]
        let options = Envoy_Config_Core_V3_Http2ProtocolOptions(http2)
        if options != .init() { http2ProtocolOptions = options }
    }

    private func readLimits(_ listener: inout DocumentSection, _ reading: ResourceReading) {
        var limits = DocumentSection()
        let common = commonHTTPProtocolOptions
        if common.hasIdleTimeout { limits["idle_timeout"] = common.idleTimeout.document }
        if common.hasMaxHeadersCount { limits["header_count"] = .int(common.maxHeadersCount.value) }
        if common.hasMaxResponseHeadersKb { reading.warning("max_response_headers_kb is a cluster's, and ignored") }
        if hasMaxRequestHeadersKb { limits["request_headers"] = .size(Int(maxRequestHeadersKb.value) * 1024) }
        let timeout = hasRequestHeadersTimeout ? requestHeadersTimeout.document : .duration(.zero)
        if timeout != .duration(.seconds(10)) { limits["request_headers_timeout"] = timeout }
        if hasStreamIdleTimeout { limits["stream_idle_timeout"] = streamIdleTimeout.document }
        var http2 = http2ProtocolOptions.document(reading)
        limits["max_concurrent_streams"] = http2.remove("max_concurrent_streams")
        for key in ["ping_interval", "ping_timeout"] where http2.remove(key) != nil {
            reading.warning("connection_keepalive: listeners do not ask, it is ignored")
        }
        limits.put("http2", http2)
        listener.put("limits", limits)
    }

    // MARK: Forwarding

    private mutating func writeForwarding(_ listener: DocumentSection) {
        useRemoteAddress = .init(listener.bool("use_remote_address") ?? true)
        xffNumTrustedHops = UInt32(clamping: listener.int("xff_num_trusted_hops") ?? 0)
        via = listener.text("via") ?? ""
        if let isMeant = listener.bool("generate_request_id") { generateRequestID = .init(isMeant) }
        preserveExternalRequestID = listener.bool("preserve_external_request_id") ?? false
        let header = listener.text("server_header") ?? "pass_through"
        serverHeaderTransformation = Self.serverHeaders.first { $0.0 == header }?.1 ?? .passThrough
        if header != "pass_through" { serverName = listener.text("server_name") ?? "martlet" }
    }

    private func readForwarding(_ listener: inout DocumentSection, _ reading: ResourceReading) {
        if !useRemoteAddress.value { listener["use_remote_address"] = .bool(false) }
        if xffNumTrustedHops != 0 { listener["xff_num_trusted_hops"] = .int(xffNumTrustedHops) }
        if !via.isEmpty { listener["via"] = .text(via) }
        if hasGenerateRequestID { listener["generate_request_id"] = .bool(generateRequestID.value) }
        if preserveExternalRequestID { listener["preserve_external_request_id"] = .bool(true) }
        guard serverHeaderTransformation != .passThrough else { return }
        listener["server_header"] = Self.serverHeaders.first { $0.1 == serverHeaderTransformation }.map { .text($0.0) }
        if serverName != "martlet" { listener["server_name"] = .text(serverName.isEmpty ? "envoy" : serverName) }
    }

    // MARK: Clients' certificates

    private mutating func writeCertificates(_ listener: DocumentSection) {
        let mode = listener.text("forward_client_cert") ?? "sanitize"
        forwardClientCertDetails = Self.clientCertificate.first { $0.0 == mode }?.1 ?? .sanitize
        guard forwardClientCertDetails == .appendForward || forwardClientCertDetails == .sanitizeSet else { return }
        let details = listener.texts("client_cert_details") ?? Self.details
        setCurrentClientCertDetails = .with {
            if details.contains("subject") { $0.subject = .init(true) }
            $0.uri = details.contains("uri")
            $0.dns = details.contains("dns")
            $0.cert = details.contains("cert")
            $0.chain = details.contains("chain")
        }
    }

    private func readCertificates(_ listener: inout DocumentSection) {
        guard forwardClientCertDetails != .sanitize else { return }
        listener["forward_client_cert"] = Self.clientCertificate.first { $0.1 == forwardClientCertDetails }.map {
            .text($0.0)
        }
        guard forwardClientCertDetails == .appendForward || forwardClientCertDetails == .sanitizeSet else { return }
        let said = setCurrentClientCertDetails
        let details = [
            ("subject", said.subject.value), ("uri", said.uri), ("dns", said.dns), ("cert", said.cert),
            ("chain", said.chain),
        ].filter(\.1).map(\.0)
        if details != Self.details { listener["client_cert_details"] = .texts(details) }
    }
}
