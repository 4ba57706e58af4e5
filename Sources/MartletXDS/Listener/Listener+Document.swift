internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias ListenerMessage = Envoy_Config_Listener_V3_Listener
typealias FilterChainMessage = Envoy_Config_Listener_V3_FilterChain
typealias ConnectionManager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
private typealias ProxyProtocol = Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol
private typealias TLSInspector = Envoy_Extensions_Filters_Listener_TlsInspector_V3_TlsInspector

// A listener to the resource of LDS and back, without its routes, which are a resource of their own.

extension ListenerMessage {
    init(_ listener: DocumentSection, _ secrets: inout SecretWriter) {
        var listener = listener
        listener["routes"] = nil
        self.init(fieldsOf: listener, &secrets)
        let known = document(ResourceReading("Listener", name, diagnostics: ConfigDiagnostics()))
        if let rest = listener.spellingFilters(as: known).rest(over: known) {
            metadata = .init(own: Martlet_Config_V1_Listener.with { $0.rest = rest })
        }
    }

    private init(fieldsOf listener: DocumentSection, _ secrets: inout SecretWriter) {
        self.init()
        name = listener.text("name") ?? ""
        address = .init(listener.text("address") ?? "")
        writeProxyProtocol(listener["proxy_protocol"])
        let isTCP = listener.text("protocol") == "tcp"
        let tls = listener.section("tls").map { tls in
            TransportSocketMessage("envoy.transport_sockets.tls", DownstreamTLS(tls, isTCP: isTCP, &secrets))
        }
        func secured(_ chain: FilterChainMessage) -> FilterChainMessage {
            var chain = chain
            if let tls { chain.transportSocket = tls }
            if let timeout = listener.section("tls")?.duration("handshake_timeout") {
                chain.transportSocketConnectTimeout = .init(timeout)
            }
            return chain
        }
        if isTCP {
            for entry in listener.list("sni") ?? [] {
                guard let entry = entry.section else { continue }
                let hosts = entry.texts("hosts") ?? []
                let names = hosts.filter { $0 != "*" }
                if !names.isEmpty { filterChains.append(.init(tcp: entry, of: listener, serverNames: names)) }
                // No server name stands for those that ask for none: all TLS does.
                if names != hosts {
                    var chain = FilterChainMessage(tcp: entry, of: listener, serverNames: [])
                    chain.filterChainMatch.transportProtocol = "tls"
                    filterChains.append(chain)
                }
            }
            if !filterChains.isEmpty {
                listenerFilters.append(.init("envoy.filters.listener.tls_inspector", TLSInspector()))
            }
            if listener["cluster"] != nil || listener["split"] != nil {
                let chain = secured(.init(tcp: listener, of: listener, serverNames: []))
                if filterChains.isEmpty { filterChains = [chain] } else { defaultFilterChain = chain }
            }
        } else {
            let filter = ConnectionManager(listener, &secrets)
            filterChains = [
                secured(.with { $0.filters = [.init("envoy.filters.network.http_connection_manager", filter)] })
            ]
        }
    }

    func document(_ reading: ResourceReading) -> DocumentSection {
        var listener = DocumentSection()
        listener["name"] = .text(name)
        if hasAddress {
            listener["address"] = address.text(reading, in: "address").map { .text($0) }
        } else if hasApiListener {
            reading.unsupported("api_listener", "a listener that is for clients of gRPC")
        }
        readListenerFilters(&listener, reading)
        var chains = filterChains
        if hasDefaultFilterChain { chains.append(defaultFilterChain) }
        for chain in chains {
            chain.read(&listener, isOnly: chains.count == 1, reading)
        }
        if chains.isEmpty { reading.error("there are no filter_chains") }
        if hasMetadata, let own = metadata.own(Martlet_Config_V1_Listener.self, reading) {
            listener.put(over: own.rest)
        }
        return listener
    }

    /// The name of the resource of RDS that has the routes, or the routes themselves. Nil: there is nothing of the kind.
    var routeSource: ConnectionManager.OneOf_RouteSpecifier? { manager?.routeSpecifier }

    /// Nil: it is not one of HTTP.
    var manager: ConnectionManager? {
        for filter in filterChains.flatMap(\.filters) where filter.typedConfig.isA(ConnectionManager.self) {
            return try? ConnectionManager(unpackingAny: filter.typedConfig)
        }
        return nil
    }

    // MARK: Listener filters

    /// `true`, or a mapping.
    private mutating func writeProxyProtocol(_ document: Document?) {
        guard let document, document.text != "false" else { return }
        var filter = ProxyProtocol()
        filter.allowRequestsWithoutProxyProtocol = document.section?.bool("required") == false
        listenerFilters.append(.init("envoy.filters.listener.proxy_protocol", filter))
    }

    private func readListenerFilters(_ listener: inout DocumentSection, _ reading: ResourceReading) {
        for filter in listenerFilters {
            // Martlet tells protocols apart wherever that is asked for.
            if filter.typedConfig.isA(TLSInspector.self) { continue }
            guard
                let proxy = reading.unpack(
                    filter.typedConfig, as: ProxyProtocol.self, in: "listener_filters \(filter.name)")
            else { continue }
            listener["proxy_protocol"] =
                proxy.allowRequestsWithoutProxyProtocol ? .object(("required", .bool(false))) : .bool(true)
        }
    }
}

extension Envoy_Config_Listener_V3_ListenerFilter {
    fileprivate init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = Google_Protobuf_Any(of: config)
    }
}

extension Envoy_Config_Listener_V3_Filter {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = Google_Protobuf_Any(of: config)
    }
}
