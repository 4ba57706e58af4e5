internal import MartletXDSMessages
internal import SwiftProtobuf

private typealias Source = Envoy_Config_Core_V3_ConfigSource
private typealias APISource = Envoy_Config_Core_V3_ApiConfigSource

/// `dynamic_resources` of a bootstrap file: a control plane, or files.
struct DynamicSources {
    private let message: Envoy_Config_Bootstrap_V3_Bootstrap.DynamicResources
    private let node: Envoy_Config_Core_V3_Node
    private let reading: ResourceReading

    init(
        _ message: Envoy_Config_Bootstrap_V3_Bootstrap.DynamicResources, _ node: Envoy_Config_Core_V3_Node,
        _ reading: ResourceReading
    ) {
        (self.message, self.node, self.reading) = (message, node, reading)
    }

    private var sources: [(field: String, source: Source)] {
        (message.hasLdsConfig ? [("lds_config", message.ldsConfig)] : [])
            + (message.hasCdsConfig ? [("cds_config", message.cdsConfig)] : [])
    }

    // MARK: Files

    /// `xds_files`; nil: there are none.
    func files() -> DocumentSection? {
        var files = DocumentSection()
        for (field, source) in sources {
            guard case .pathConfigSource(let path) = source.configSourceSpecifier else { continue }
            files[field == "lds_config" ? "listeners" : "clusters"] = .text(ResourceOrigin.absolute(path.path))
        }
        return files.isEmpty ? nil : files
    }

    // MARK: A control plane

    /// `control_plane`; nil: there is none, or one that Martlet cannot ask, which has been reported.
    func controlPlane() -> DocumentSection? {
        let asked = sources.filter { entry in
            switch entry.source.configSourceSpecifier {
            case .pathConfigSource: false
            case .ads, .apiConfigSource, .self_p, nil: true
            }
        }
        guard let first = asked.first else {
            if message.hasAdsConfig {
                reading.warning("ads_config: neither lds_config nor cds_config is had by it, it is ignored")
            }
            return nil
        }
        // Martlet asks one control plane for both.
        guard asked.count == 2 else {
            reading.unsupported(first.field, "a control plane for listeners or clusters alone")
            return nil
        }
        guard asked.allSatisfy({ $0.source.configSourceSpecifier == first.source.configSourceSpecifier }) else {
            reading.unsupported("cds_config", "another source than that of lds_config")
            return nil
        }
        var section: DocumentSection?
        switch first.source.configSourceSpecifier {
        case .ads:
            guard message.hasAdsConfig else {
                reading.error("there is no ads_config")
                return nil
            }
            section = stream(message.adsConfig, "ads_config")
        case .apiConfigSource(let api) where api.apiType == .rest: section = polling(api, first.field)
        case .apiConfigSource: reading.unsupported(first.field, "a stream that is not aggregated")
        case .self_p, .pathConfigSource, nil: reading.error("\(first.field): there is no source that Martlet knows")
        }
        guard var section else { return nil }
        let times = asked.filter(\.source.hasInitialFetchTimeout).map(\.source.initialFetchTimeout)
        if let time = times.max(by: { ($0.seconds, $0.nanos) < ($1.seconds, $1.nanos) }) {
            section["initial_fetch_timeout"] = time.document
        }
        section["node"] = .section(nodeSection())
        return section
    }

    private func stream(_ api: APISource, _ field: String) -> DocumentSection? {
        let method: String
        switch api.apiType {
        case .grpc, .aggregatedGrpc: method = "sotw"
        case .deltaGrpc, .aggregatedDeltaGrpc: method = "delta"
        case .rest, .deprecatedAndUnavailableDoNotUse, .UNRECOGNIZED:
            reading.unsupported("\(field).api_type", "\(api.apiType)")
            return nil
        }
        guard api.grpcServices.count == 1, case .envoyGrpc(let service) = api.grpcServices[0].targetSpecifier else {
            reading.unsupported("\(field).grpc_services", "anything but one envoy_grpc")
            return nil
        }
        if api.grpcServices[0].hasTimeout { reading.unsupported("\(field).grpc_services", "a timeout") }
        if !service.authority.isEmpty, service.authority != service.clusterName {
            reading.unsupported("\(field).grpc_services.envoy_grpc", "an authority")
        }
        return DocumentSection([("cluster", .text(service.clusterName)), ("method", .text(method))])
    }

    private func polling(_ api: APISource, _ field: String) -> DocumentSection? {
        guard api.clusterNames.count == 1 else {
            reading.unsupported("\(field).cluster_names", "\(api.clusterNames.count) of them")
            return nil
        }
        var section = DocumentSection([("cluster", .text(api.clusterNames[0])), ("method", .text("rest"))])
        if api.hasRefreshDelay { section["refresh"] = api.refreshDelay.document }
        // Envoy's default is another than ours.
        section["request_timeout"] = api.hasRequestTimeout ? api.requestTimeout.document : .duration(.seconds(1))
        return section
    }

    /// Who the proxy is.
    private func nodeSection() -> DocumentSection {
        var section = DocumentSection()
        for (key, text) in [
            ("id", node.id), ("cluster", node.cluster), ("region", node.locality.region), ("zone", node.locality.zone),
        ] where !text.isEmpty {
            section[key] = .text(text)
        }
        if !node.locality.subZone.isEmpty { reading.unsupported("node.locality", "sub_zone") }
        var labels = DocumentSection()
        for (key, value) in node.metadata.fields.sorted(by: { $0.key < $1.key }) {
            if case .stringValue(let text) = value.kind {
                labels[key] = .text(text)
            } else {
                reading.unsupported("node.metadata", "a value that is no text: \(key)")
            }
        }
        section.put("labels", labels)
        return section
    }
}
