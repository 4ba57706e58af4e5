internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias ClusterMessage = Envoy_Config_Cluster_V3_Cluster

// A cluster of the configuration to the resource of CDS and back. Each key that a field can hold goes there; `rest` has the
// others. Endpoints are a resource of their own: `Endpoints+Document.swift`.

extension ClusterMessage {
    init(_ cluster: DocumentSection, _ secrets: inout SecretWriter) {
        var cluster = cluster
        cluster["endpoints"] = nil
        self.init(fieldsOf: cluster, &secrets)
        let known = document(ResourceReading("Cluster", name, diagnostics: ConfigDiagnostics()))
        if let rest = cluster.rest(over: known) {
            metadata = .init(own: Martlet_Config_V1_Cluster.with { $0.rest = rest })
        }
    }

    private init(fieldsOf cluster: DocumentSection, _ secrets: inout SecretWriter) {
        self.init()
        name = cluster.text("name") ?? ""
        if let discovery = cluster.section("discovery"), let address = discovery.text("dns") {
            type = .strictDns
            loadAssignment = .init(name, host: address)
            if let refresh = discovery.duration("refresh") { dnsRefreshRate = .init(refresh) }
        } else {
            type = .eds
            edsClusterConfig.edsConfig = .aggregated
        }
        if let timeout = cluster.duration("connect_timeout") { connectTimeout = .init(timeout) }
        writeBalancing(cluster)
        if let check = cluster.section("health_check"), let message = Envoy_Config_Core_V3_HealthCheck(check) {
            healthChecks = [message]
            // What Martlet does anyway. Envoy goes on with an endpoint that is gone until a check of it fails.
            ignoreHealthOnHostRemoval = type == .eds
        }
        if let outlier = cluster.section("outlier_detection") { outlierDetection = .init(outlier) }
        if let limits = cluster.section("circuit_breaker") { writeThresholds(limits) }
        writeProtocol(cluster)
        if let socket = Envoy_Config_Core_V3_TransportSocket(cluster: cluster, &secrets) { transportSocket = socket }
    }

    /// The configuration's cluster, without the endpoints of EDS. `assignment`: the inline endpoints, for STATIC.
    func document(_ reading: ResourceReading) -> DocumentSection {
        var cluster = DocumentSection()
        cluster["name"] = .text(name)
        switch type {
        case .eds: reading.check(edsClusterConfig.edsConfig, in: "eds_cluster_config.eds_config")
        case .strictDns, .logicalDns:
            cluster["discovery"] = loadAssignment.host(reading).map { host in
                .object(("dns", .text(host)), ("refresh", hasDnsRefreshRate ? dnsRefreshRate.document : nil))
            }
        case .static: cluster["endpoints"] = .list(loadAssignment.endpoints(reading))
        case .originalDst, .UNRECOGNIZED: reading.unsupported("type", "\(type)")
        }
        if hasConnectTimeout { cluster["connect_timeout"] = connectTimeout.document }
        readBalancing(&cluster, reading)
        if let check = healthChecks.first { cluster.put("health_check", check.document(reading)) }
        if healthChecks.count > 1 { reading.unsupported("health_checks", "more than one") }
        if hasOutlierDetection {
            // An empty one turns it on, too.
            cluster["outlier_detection"] = .section(outlierDetection.document)
        }
        readThresholds(&cluster, reading)
        readProtocol(&cluster, reading)
        if hasTransportSocket { transportSocket.read(cluster: &cluster, reading) }
        if hasMetadata, let own = metadata.own(Martlet_Config_V1_Cluster.self, reading) {
            cluster.put(over: own.rest)
        }
        return cluster
    }

    // MARK: Circuit breakers

    private static var thresholds: [(String, WritableKeyPath<Thresholds, Google_Protobuf_UInt32Value>)] {
        [
            ("max_connections", \.maxConnections), ("max_pending_requests", \.maxPendingRequests),
            ("max_requests", \.maxRequests), ("max_retries", \.maxRetries),
        ]
    }
    typealias Thresholds = Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds

    private mutating func writeThresholds(_ limits: DocumentSection) {
        var message = Thresholds()
        for (key, field) in Self.thresholds {
            if let value = Google_Protobuf_UInt32Value(limits.int(key)) { message[keyPath: field] = value }
        }
        if message != Thresholds() { circuitBreakers.thresholds = [message] }
    }

    private func readThresholds(_ cluster: inout DocumentSection, _ reading: ResourceReading) {
        var limits = DocumentSection()
        for message in circuitBreakers.thresholds {
            guard message.priority == .default else {
                reading.warning("circuit_breakers: priorities but DEFAULT have no counterpart and are ignored")
                continue
            }
            let isSet = [
                message.hasMaxConnections, message.hasMaxPendingRequests, message.hasMaxRequests, message.hasMaxRetries,
            ]
            for ((key, field), isSet) in zip(Self.thresholds, isSet) where isSet {
                // Others write the largest number for "no limit".
                limits[key] = .int(min(message[keyPath: field].value, 10_000_000))
            }
        }
        cluster.put("circuit_breaker", limits)
    }
}
