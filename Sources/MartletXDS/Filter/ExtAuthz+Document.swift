internal import MartletXDSMessages
internal import SwiftProtobuf

typealias ExtAuthzMessage = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz
typealias ExtAuthzChangeMessage = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthzPerRoute
private typealias NamesMessage = Envoy_Type_Matcher_V3_ListStringMatcher
private typealias HTTPService = Envoy_Extensions_Filters_Http_ExtAuthz_V3_HttpService

// `ext_authz`. What the service may set, clients cannot in Martlet, whatever it says; Envoy lets through what it does not set. So
// `upstream_headers` are read, and never written.

extension ExtAuthzMessage: FilterSettings {
    static let filter = "ext_authz"

    static let defaults = DocumentSection([
        ("protocol", .word("http")), ("timeout", .duration(timeout)), ("on_error", .word("deny")),
        ("status_on_error", .int(errorStatus)),
    ])
    private static let timeout = Duration.milliseconds(200)
    private static let errorStatus = 403
    private static let allowed = ["authorization", "cookie", "x-forwarded-*", "x-request-id"]
    private static let client = ["www-authenticate", "location", "set-cookie", "retry-after", "cache-control"]
    /// Go to the service in Envoy, whatever is allowed.
    private static let alwaysAllowed = ["authorization"]
    /// Go to the client in Envoy with any list of others.
    private static let alwaysToClient = ["www-authenticate", "location"]
    /// Go to the client with a body in Martlet, whatever the list.
    private static let ofBody = ["content-type", "content-encoding"]

    init?(settings: DocumentSection) {
        // Of a success Envoy puts fields beside those that are there, Martlet in their place, but for cookies.
        guard settings["upstream_headers"] == nil, let cluster = settings.text("cluster"),
            [nil, ["set-cookie"]].contains(settings.texts("client_headers_on_success"))
        else { return nil }
        self.init()
        let time = Google_Protobuf_Duration(settings.duration("timeout") ?? Self.timeout)
        failureModeAllow = settings.text("on_error") == "allow"
        if let status = settings.int("status_on_error"), status != Self.errorStatus {
            guard let code = Envoy_Type_V3_StatusCode(known: status) else { return nil }
            statusOnError.code = code
        }
        if let body = settings.section("with_request_body") {
            withRequestBody = .with {
                $0.maxRequestBytes = UInt32(clamping: body.size("max_bytes") ?? 0)
                $0.allowPartialMessage = body.bool("allow_partial") ?? false
                $0.packAsBytes = body.bool("pack_as_bytes") ?? false
            }
        }
        transportApiVersion = .v3
        guard settings.text("protocol") != "grpc" else {
            grpcService.envoyGrpc.clusterName = cluster
            grpcService.envoyGrpc.authority = settings.text("authority") ?? ""
            grpcService.timeout = time
            if let names = settings.texts("allowed_headers") { allowedHeaders = NamesMessage(names) }
            return
        }
        let names = settings.texts("allowed_headers") ?? Self.allowed
        guard Self.alwaysAllowed.allSatisfy(names.contains) else { return nil }
        allowedHeaders = NamesMessage(names)
        httpService = .with {
            $0.serverUri = .with { ($0.uri, $0.cluster, $0.timeout) = ("http://\(cluster)", cluster, time) }
            $0.pathPrefix = settings.text("path_prefix") ?? ""
            $0.authorizationRequest.headersToAdd = (settings.section("context")?.entries ?? []).map { entry in
                .with {
                    $0.key = entry.key
                    // Envoy takes `%` for the beginning of an operator.
                    $0.value = (entry.value.text ?? "").replacing("%", with: "%%")
                }
            }
            $0.authorizationResponse.allowedClientHeaders = NamesMessage(
                (settings.texts("client_headers") ?? Self.client) + Self.ofBody)
            if let names = settings.texts("client_headers_on_success"), !names.isEmpty {
                $0.authorizationResponse.allowedClientHeadersOnSuccess = NamesMessage(names)
            }
        }
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        var settings = DocumentSection()
        switch services {
        case .grpcService(let service):
            guard case .envoyGrpc(let target) = service.targetSpecifier else {
                reading.error("\(field).grpc_service: there is no target that Martlet knows")
                return nil
            }
            settings["cluster"] = .text(target.clusterName)
            settings["protocol"] = .word("grpc")
            if !target.authority.isEmpty { settings["authority"] = .text(target.authority) }
            readTimeout(service.hasTimeout ? service.timeout : nil, &settings)
            if hasAllowedHeaders {
                settings["allowed_headers"] = .texts(allowedHeaders.names(reading, in: "\(field).allowed_headers"))
            }
        case .httpService(let service):
            settings["cluster"] = .text(service.serverUri.cluster)
            readTimeout(service.serverUri.hasTimeout ? service.serverUri.timeout : nil, &settings)
            readHTTP(service, &settings, reading, in: field)
        case nil:
            reading.error("\(field): there is no service that Martlet knows")
            return nil
        }
        if failureModeAllow { settings["on_error"] = .word("allow") }
        if hasStatusOnError, statusOnError.code.rawValue != Self.errorStatus {
            settings["status_on_error"] = .int(statusOnError.code.rawValue)
        }
        if hasWithRequestBody {
            let body = withRequestBody
            settings["with_request_body"] = .object(
                ("max_bytes", .size(body.maxRequestBytes)),
                ("allow_partial", body.allowPartialMessage ? .bool(true) : nil),
                ("pack_as_bytes", body.packAsBytes ? .bool(true) : nil))
        }
        return settings
    }

    private func readTimeout(_ time: Google_Protobuf_Duration?, _ settings: inout DocumentSection) {
        if let time, time != .init(Self.timeout) { settings["timeout"] = time.document }
    }

    private func readHTTP(
        _ service: HTTPService, _ settings: inout DocumentSection, _ reading: ResourceReading, in field: String
    ) {
        if !service.pathPrefix.isEmpty { settings["path_prefix"] = .text(service.pathPrefix) }
        let allowed = allowedHeaders.names(reading, in: "\(field).allowed_headers")
        let all = Self.alwaysAllowed.filter { !allowed.contains($0) } + allowed
        if all != Self.allowed { settings["allowed_headers"] = .texts(all) }
        var context = DocumentSection()
        for header in service.authorizationRequest.headersToAdd {
            if header.value.replacing("%%", with: "").contains("%") {
                reading.unsupported("\(field).headers_to_add", "an operator")
            }
            if context[header.key] != nil { reading.unsupported("\(field).headers_to_add", "\(header.key) twice") }
            context[header.key] = .text(header.value.replacing("%%", with: "%"))
        }
        settings.put("context", context)
        let response = service.authorizationResponse
        let upstream = response.allowedUpstreamHeaders.names(reading, in: "\(field).allowed_upstream_headers")
        if !upstream.isEmpty { settings["upstream_headers"] = .texts(upstream) }
        if response.hasAllowedClientHeaders {
            let client = response.allowedClientHeaders.names(reading, in: "\(field).allowed_client_headers")
            let listed = client.filter { !Self.ofBody.contains($0) }
            let all = listed + Self.alwaysToClient.filter { !listed.contains($0) }
            if all != Self.client { settings["client_headers"] = .texts(all) }
        } else {
            reading.error(
                "\(field).allowed_client_headers: all that the service says is not supported",
                hint:
                    "list what of a refusal the client gets: allowed_client_headers: { patterns: [{ exact: set-cookie }] }"
            )
        }
        let success = response.allowedClientHeadersOnSuccess.names(
            reading, in: "\(field).allowed_client_headers_on_success")
        if !success.isEmpty { settings["client_headers_on_success"] = .texts(success) }
    }
}

extension ExtAuthzChangeMessage: FilterChange {
    static let filter = ExtAuthzMessage.filter
    static let isMerged = true

    /// What Martlet's routes add is for services of both kinds, what Envoy's do for those of gRPC.
    init?(change: DocumentSection) { return nil }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        if case .disabled(true) = override { return .word("off") }
        reading.unsupported(field, "anything but disabled")
        return nil
    }
}

extension NamesMessage {
    /// Names of headers, and beginnings with a star behind them.
    fileprivate init(_ names: [String]) {
        self.init()
        patterns = names.map { name in
            .with {
                $0.ignoreCase = true
                if name.hasSuffix("*") { $0.prefix = String(name.dropLast()) } else { $0.exact = name }
            }
        }
    }

    fileprivate func names(_ reading: ResourceReading, in field: String) -> [String] {
        patterns.compactMap { pattern in
            switch pattern.matchPattern {
            case .exact(let name): return name
            case .prefix(let name): return name + "*"
            case .suffix, .contains, .safeRegex:
                reading.unsupported(field, "anything but exact and prefix")
                return nil
            case nil:
                reading.error("\(field): there is no pattern that Martlet knows")
                return nil
            }
        }
    }
}

extension Envoy_Type_V3_StatusCode {
    /// Nil: it is none of those that Envoy takes.
    init?(known status: Int) {
        guard let code = Self(rawValue: status), Self.allCases.contains(code), code != .empty else { return nil }
        self = code
    }
}
