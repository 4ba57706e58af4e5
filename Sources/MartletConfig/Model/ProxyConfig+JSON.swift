internal import MartletCore

/// The effective configuration in the words of the configuration language: JSON is YAML, so what is printed here, scripts
/// and secrets put back, can be run.
extension ProxyConfig {
    /// Defaults filled in, keys in a fixed order, secrets left out.
    package var json: String {
        ConfigJSON.object([
            ("admin", admin.map { .object([("address", .string($0.address.description))]) }),
            ("workers", workers.map { .number($0) }),
            ("zone", zone.map { .string($0) }),
            ("access_log", AccessLogConfig.json(accessLogs)),
            ("local_replies", localReplies.isEmpty ? nil : .list(localReplies, \.json)),
            ("metrics", .object([("exemplars", .bool(metrics.exemplars))])),
            ("drain", .object([("deadline", .string(ConfigText.duration(drain.deadline)))])),
            ("overload", overload.json),
            ("listeners", .list(listeners, \.json)),
            ("clusters", .list(clusters, \.json)),
            ("policies", .list(policies, \.json)),
            ("modules", .list(modules, \.json)),
            ("control_plane", controlPlane?.json),
            ("xds_files", xdsFiles?.json),
        ]).text
    }
}

extension ListenerConfig {
    fileprivate var json: ConfigJSON {
        let members: [(String, ConfigJSON?)] = [
            ("name", .string(name)),
            ("address", .string(address.description)),
            ("protocol", .string(`protocol`.rawValue)),
            ("tls", tls?.json),
            ("proxy_protocol", proxyProtocol?.json ?? .bool(false)),
            ("limits", limits.json(`protocol`)),
            ("access_log", accessLogs.map(AccessLogConfig.json)),
        ]
        return .object(members + (tcp?.members ?? membersOfHTTP))
    }

    private var membersOfHTTP: [(String, ConfigJSON?)] {
        [
            ("other", other?.json),
            ("use_remote_address", .bool(forwarding.useRemoteAddress)),
            ("xff_num_trusted_hops", .number(forwarding.trustedHops)),
            ("via", forwarding.via.map { .string($0) }),
            ("generate_request_id", .bool(forwarding.generateRequestID)),
            ("preserve_external_request_id", .bool(forwarding.preserveExternalRequestID)),
            ("server_header", .string(forwarding.serverHeader.rawValue)),
            ("server_name", forwarding.serverHeader == .passThrough ? nil : .string(forwarding.serverName)),
            ("forward_client_cert", .string(forwarding.forwardClientCertificate.rawValue)),
            (
                "client_cert_details",
                forwarding.writesClientCertificate
                    ? .strings(
                        ForwardingConfig.ClientCertificateDetail.allCases
                            .filter(forwarding.clientCertificateDetails.contains).map(\.rawValue)) : nil
            ),
            ("upgrades", .strings(upgrades + (allowsConnect ? ["connect"] : []))),
            ("normalize_path", .bool(path.normalize)),
            ("merge_slashes", .bool(path.mergeSlashes)),
            ("escaped_slashes", .string(path.escapedSlashes.rawValue)),
            ("local_replies", localReplies.map { .list($0, \.json) }),
            ("filters", .list(filters) { .object([($0.name, .settings($0.node, of: $0.name))]) }),
            ("routes", .list(routes, \.json)),
        ]
    }
}

extension ListenerLimits {
    fileprivate func json(_ listenerProtocol: ListenerProtocol) -> ConfigJSON {
        let ofBoth: [(String, ConfigJSON?)] = [
            ("max_connections", .number(maxConnections)),
            ("idle_timeout", .timeout(idleTimeout)),
            ("detect_timeout", .string(ConfigText.duration(detectTimeout))),
            ("stream_buffer", .string(ConfigText.size(streamBuffer))),
        ]
        if listenerProtocol == .tcp {
            return .object(ofBoth + [("max_connection_duration", .timeout(maxConnectionDuration))])
        }
        return .object(
            ofBoth + [
                ("request_headers", .string(ConfigText.size(requestHeaders))),
                ("header_count", .number(headerCount)),
                ("request_headers_timeout", .timeout(requestHeadersTimeout)),
                ("stream_idle_timeout", .timeout(streamIdleTimeout)),
                ("filter_buffer", .string(ConfigText.size(filterBuffer))),
                ("max_concurrent_streams", .number(maxConcurrentStreams)),
                ("http2", http2.json),
            ])
    }
}

extension ClusterConfig {
    fileprivate var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = [("name", .string(name))]
        switch source {
        case .endpoints(let endpoints):
            members.append(
                (
                    "endpoints",
                    .list(endpoints) { endpoint in
                        .object([
                            ("address", .string(endpoint.address.description)),
                            ("weight", .number(endpoint.weight)),
                            ("zone", endpoint.zone.map { .string($0) }),
                        ])
                    }
                ))
        case .dns(let dns):
            members.append(
                (
                    "discovery",
                    .object([
                        ("dns", .string("\(dns.host):\(dns.port)")),
                        ("refresh", .string(ConfigText.duration(dns.refresh))),
                    ])
                ))
        }
        members += balancing.members(loadBalancing)
        members += [
            ("protocol", .string(`protocol`.rawValue)),
            ("tls", tls?.json),
            ("proxy_protocol", proxyProtocol.map { .string($0.rawValue) }),
            ("http2", `protocol` == .http1 ? nil : http2.json),
            ("connect_timeout", .string(ConfigText.duration(connectTimeout))),
            ("idle_timeout", .timeout(idleTimeout)),
            (
                "limits",
                .object([
                    ("response_headers", .string(ConfigText.size(limits.responseHeaders))),
                    ("header_count", .number(limits.headerCount)),
                ])
            ),
            ("circuit_breaker", circuitBreaker.json),
            ("health_check", healthCheck?.json),
            ("outlier_detection", outlierDetection?.json),
        ]
        return .object(members)
    }
}

extension ModuleConfig {
    fileprivate var json: ConfigJSON {
        .object([
            ("name", .string(name)), ("path", .string(path)), ("slow_hook", .timeout(slowHook)),
        ])
    }
}

extension PolicyConfig {
    fileprivate var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = [("name", .string(name))]
        switch source {
        case .file(let path): members.append(("file", .string(path)))
        case .inline: members.append(("inline", .redacted))
        }
        for (key, files) in [("data", data), ("modules", modules)] where !files.isEmpty {
            members.append((key, .object(files.map { ($0.name, .string($0.path)) })))
        }
        members += [
            ("on_error", .string(onError.rawValue)),
            ("mode", .string(mode.rawValue)),
            (
                "budget",
                .object([
                    ("instructions", .number(budget.instructions)),
                    ("memory", .string(ConfigText.size(budget.memory))),
                    ("time", .string(ConfigText.duration(budget.time))),
                    ("breaches", .number(budget.breaches)),
                ])
            ),
        ]
        return .object(members)
    }
}
