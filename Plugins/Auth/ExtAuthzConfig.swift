internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The settings of an `ext_authz` filter.
public struct ExtAuthzConfig: Sendable {
    enum FilterProtocol: String, CaseIterable {
        case http, grpc
    }
    enum OnError: String, CaseIterable {
        case deny, allow
    }

    struct Body: Sendable {
        let maxBytes: ByteCount
        /// A longer body is asked about by its beginning; otherwise it is 413.
        let allowsPartial: Bool
        /// In gRPC: as bytes, not as text.
        let packsBytes: Bool
    }

    /// Envoy's.
    static let defaultTimeout = Duration.milliseconds(200)

    let cluster: String
    let isGRPC: Bool
    /// In gRPC: the host that the service is asked by.
    let authority: String
    let timeout: Duration
    let onError: OnError
    let statusOnError: UInt16
    let pathPrefix: String
    let maxResponseBody: ByteCount
    let body: Body?
    let context: [(name: HeaderName, value: String)]
    /// Sent to the service.
    let allowed: HeaderNameSet
    /// The same in gRPC; nil: everything.
    let allowedByGRPC: HeaderNameSet?
    /// From its 200 to the request.
    let upstream: HeaderNameSet
    /// From its denial to the client.
    let client: HeaderNameSet
    /// From its 200 to the client's response.
    let clientOnSuccess: HeaderNameSet

    private static let defaultAllowed = HeaderNameSet([
        .name("authorization"), .name("cookie"), .prefix("x-forwarded-"), .name("x-request-id"),
    ])
    private static let defaultClient = HeaderNameSet([
        .name("www-authenticate"), .name("location"), .name("set-cookie"), .name("retry-after"), .name("cache-control"),
    ])

    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection, _ load: LoadContext) {
        let cluster = section.value(required: "cluster", .label)
        if let cluster, !load.hasCluster(cluster) {
            section.error(
                at: "cluster", "no cluster \"\(cluster.prefix(60))\"",
                hint: NearestName.hint(cluster, in: load.clusterNames, what: "clusters") ?? "add it to clusters")
        }
        isGRPC = section.choice("protocol", default: FilterProtocol.http) == .grpc
        let host = section.value("authority", .authority)
        if isGRPC {
            authority = host ?? cluster ?? ""
            Self.check(section, load, cluster: cluster, authority: authority)
        } else {
            authority = ""
            if host != nil {
                section.error(
                    at: "authority", "is for protocol: grpc", hint: "by HTTP the service is asked by the request's host"
                )
            }
        }
        timeout = section.duration("timeout", default: Self.defaultTimeout, in: .milliseconds(1) ... .seconds(60))
        onError = section.choice("on_error", default: .deny)
        statusOnError = UInt16(section.int("status_on_error", default: 403, in: 400...599))
        pathPrefix = section.value("path_prefix", .pathPrefix) ?? ""
        maxResponseBody = section.size("max_response_body", default: .kibibytes(64), in: 0 ... .mebibytes(16))
        context = Self.context(section)
        body = section.section("with_request_body").flatMap { Body($0) }
        func names(_ key: String, default standard: HeaderNameSet) -> HeaderNameSet {
            section.has(key) ? HeaderNameSet(section.values(key, .headerNamePattern)) : standard
        }
        allowed = names("allowed_headers", default: Self.defaultAllowed)
        allowedByGRPC = section.has("allowed_headers") ? allowed : nil
        upstream = HeaderNameSet(section.values("upstream_headers", .headerNamePattern))
        client = names("client_headers", default: Self.defaultClient)
        clientOnSuccess = HeaderNameSet(section.values("client_headers_on_success", .headerNamePattern))
        // All keys are known, whatever is written.
        _ = section.raw("allowed_headers")
        _ = section.raw("client_headers")
        guard let cluster else { return nil }
        self.cluster = cluster
    }

    private static func check(_ section: ConfigSection, _ load: LoadContext, cluster: String?, authority: String) {
        for key in ["path_prefix", "client_headers", "client_headers_on_success"] where section.has(key) {
            section.error(at: key, "is for protocol: http", hint: "in gRPC the service's answer says it")
        }
        guard let cluster, load.hasCluster(cluster) else { return }
        if !load.speaksHTTP2(cluster) {
            section.error(
                at: "cluster", "\"\(cluster.prefix(60))\" speaks HTTP/1.1, and gRPC needs HTTP/2",
                hint: "write protocol: http2 in the cluster")
        }
        if !Authority.isValid(authority.utf8Span.span) {
            section.error(
                at: "cluster", "\"\(cluster.prefix(60))\" is no host", hint: "write authority: HOST beside it")
        }
    }

    /// Fields of the operator's own that go along with the question.
    static func context(_ section: ConfigSection) -> [(name: HeaderName, value: String)] {
        let fields = section.headers("context")
        for field in fields where field.name.framesMessages {
            section.error(
                at: "context", "\(field.name) cannot be set", hint: "the proxy frames messages itself")
        }
        return fields
    }
}

extension ExtAuthzConfig.Body {
    init?(_ section: ConfigSection) {
        allowsPartial = section.bool("allow_partial", default: false)
        packsBytes = section.bool("pack_as_bytes", default: false)
        guard let size = section.value(required: "max_bytes", .size(in: 1 ... .mebibytes(64))) else { return nil }
        maxBytes = size
    }
}

/// What a route says about `ext_authz`.
public struct ExtAuthzRoute: Sendable {
    /// Nobody is asked. What only the service may say is taken from the request all the same.
    let isOff: Bool
    /// Beside the filter's own; of two with one name the route's is sent.
    let context: [(name: HeaderName, value: String)]

    static let off = ExtAuthzRoute(isOff: true, context: [])

    private init(isOff: Bool, context: [(name: HeaderName, value: String)]) {
        self.isOff = isOff
        self.context = context
    }

    init(_ section: ConfigSection) {
        isOff = false
        context = ExtAuthzConfig.context(section)
        if !section.has("context") {
            section.missing("context", hint: "write context: { x-name: value }, or ext_authz: off")
        }
    }
}

extension HeaderNamePattern {
    fileprivate static func name(_ text: String) -> HeaderNamePattern {
        HeaderNamePattern(text: Array(text.utf8), isPrefix: false)
    }
    fileprivate static func prefix(_ text: String) -> HeaderNamePattern {
        HeaderNamePattern(text: Array(text.utf8), isPrefix: true)
    }
}

extension ConfigScalar where Value == String {
    /// What is put before a path: itself a path, without a slash behind.
    fileprivate static var pathPrefix: ConfigScalar {
        target.checked { text in
            if text.contains("?") { return Problem("a path has no query") }
            return text.hasSuffix("/")
                ? Problem("must not end with a slash: the request's path follows", hint: "write: \(text.dropLast())")
                : nil
        }
    }
}
