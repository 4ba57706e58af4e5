internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

private typealias TCPProxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy

// A filter chain: one of HTTP, or for `protocol: tcp` one for each entry of `sni` and one for the rest.

extension FilterChainMessage {
    /// - Parameter target: has `cluster` or `split`.
    init(tcp target: DocumentSection, of listener: DocumentSection, serverNames: [String]) {
        self.init()
        if !serverNames.isEmpty { filterChainMatch.serverNames = serverNames }
        filters = [.init("envoy.filters.network.tcp_proxy", TCPProxy(target, of: listener))]
    }

    /// - Parameter isOnly: there is no other chain in the listener.
    func read(_ listener: inout DocumentSection, isOnly: Bool, _ reading: ResourceReading) {
        guard filters.count == 1, let filter = filters.first else {
            reading.unsupported("filter_chains", "\(filters.count) network filters")
            return
        }
        let isAnyTLS = filterChainMatch.transportProtocol == "tls" && filterChainMatch.serverNames.isEmpty
        let names = isAnyTLS ? ["*"] : filterChainMatch.serverNames
        if !filterChainMatch.applicationProtocols.isEmpty {
            reading.unsupported("filter_chain_match", "application_protocols")
        }
        if !["", "tls"].contains(filterChainMatch.transportProtocol) {
            reading.unsupported("filter_chain_match", "transport_protocol \(filterChainMatch.transportProtocol)")
        }
        if filter.typedConfig.isA(TCPProxy.self) {
            guard let proxy = reading.unpack(filter.typedConfig, as: TCPProxy.self, in: "filters \(filter.name)")
            else { return }
            proxy.read(&listener, serverNames: names, reading)
            if hasTransportSocket, !names.isEmpty {
                reading.unsupported("filter_chain_match.server_names", "a chain that ends TLS")
                return
            }
        } else {
            if !isOnly || !names.isEmpty { reading.unsupported("filter_chains", "several for HTTP") }
            guard
                let manager = reading.unpack(
                    filter.typedConfig, as: ConnectionManager.self, in: "filters \(filter.name)")
            else { return }
            manager.read(&listener, reading)
        }
        readTLS(&listener, reading)
    }

    private func readTLS(_ listener: inout DocumentSection, _ reading: ResourceReading) {
        guard hasTransportSocket else { return }
        let isTCP = listener.text("protocol") == "tcp"
        guard let tls = reading.unpack(transportSocket.typedConfig, as: DownstreamTLS.self, in: "transport_socket")
        else { return }
        var section = tls.document(isTCP: isTCP, reading)
        if hasTransportSocketConnectTimeout { section["handshake_timeout"] = transportSocketConnectTimeout.document }
        listener["tls"] = .section(section)
    }
}

extension TCPProxy {
    fileprivate init(_ target: DocumentSection, of listener: DocumentSection) {
        self.init()
        statPrefix = listener.text("name") ?? ""
        if let parts = target.list("split") {
            weightedClusters.clusters = parts.compactMap(\.section).map { part in
                .with { ($0.name, $0.weight) = (part.text("cluster") ?? "", UInt32(clamping: part.int("weight") ?? 1)) }
            }
        } else {
            cluster = target.text("cluster") ?? ""
        }
        if let attempts = Google_Protobuf_UInt32Value(listener.int("max_connect_attempts")) {
            maxConnectAttempts = attempts
        }
        let limits = listener.section("limits") ?? DocumentSection()
        if let time = limits.duration("idle_timeout") { idleTimeout = .init(time) }
        if let time = limits.duration("max_connection_duration"), time != .zero {
            maxDownstreamConnectionDuration = .init(time)
        }
    }

    fileprivate func read(_ listener: inout DocumentSection, serverNames: [String], _ reading: ResourceReading) {
        listener["protocol"] = .text("tcp")
        var target = DocumentSection()
        switch clusterSpecifier {
        case .cluster(let name): target["cluster"] = .text(name)
        case .weightedClusters(let weighted):
            target["split"] = .list(
                weighted.clusters.map { part in
                    .object(("cluster", .text(part.name)), ("weight", part.weight == 1 ? nil : .int(part.weight)))
                })
        case nil: reading.error("TcpProxy: there is no cluster_specifier that Martlet knows")
        }
        if serverNames.isEmpty {
            for entry in target.entries { listener[entry.key] = entry.value }
        } else {
            var entry = DocumentSection([("hosts", .texts(serverNames))])
            for part in target.entries { entry[part.key] = part.value }
            listener["sni"] = .list((listener.list("sni") ?? []) + [.section(entry)])
        }
        if hasMaxConnectAttempts { listener["max_connect_attempts"] = .int(maxConnectAttempts.value) }
        var limits = listener.section("limits") ?? DocumentSection()
        if hasIdleTimeout { limits["idle_timeout"] = idleTimeout.document }
        if hasMaxDownstreamConnectionDuration {
            limits["max_connection_duration"] = maxDownstreamConnectionDuration.document
        }
        listener.put("limits", limits)
    }
}
