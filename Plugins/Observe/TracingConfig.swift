internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What `tracing` says, decoded; shared by all workers.
public struct TracingConfig: Sendable {
    /// Nil: traces are passed on, and nothing is recorded.
    let export: ExportConfig?
    let fields: TraceFields
    let trustsIncoming: Bool
    let sampling: Sampling
    /// A request with this header is recorded whatever else is said; its value, or any.
    let force: (name: HeaderName, value: [UInt8]?)?
    let span: SpanConfig
    let hasUpstreamSpan: Bool

    static let defaultForce = "x-envoy-force-trace"

    init?(_ section: ConfigSection, _ load: LoadContext) {
        export = section.section("otlp").flatMap { ExportConfig($0, section, load) }
        var forms = section.values("propagation", ConfigScalar<Propagation>.choice)
        if !section.has("propagation") { forms = [.traceContext] }
        if section.node["propagation"]?.items?.isEmpty == true {
            section.error(at: "propagation", "an empty list passes nothing on", hint: "leave it out for tracecontext")
        }
        trustsIncoming = section.bool("trust_incoming", default: true)
        sampling = Sampling(section.percent("sampling", default: 1))
        force = Self.force(section)
        span = SpanConfig(section)
        hasUpstreamSpan = section.bool("upstream_span", default: true)
        // Read above, by the exporter.
        for key in ["service_name", "resource"] {
            if section.has(key), !section.has("otlp") {
                section.error(at: key, "has no meaning where nothing is exported", hint: "write otlp: { cluster: ... }")
            }
            _ = section.raw(key)
        }
        guard let fields = TraceFields(forms) else { return nil }
        self.fields = fields
    }

    /// `force_header: x-trace-me`, `{ name: ..., value: ... }`, or `off`.
    private static func force(_ section: ConfigSection) -> (name: HeaderName, value: [UInt8]?)? {
        guard let node = section.raw("force_header") else { return HeaderName(defaultForce).map { ($0, nil) } }
        if node.isOff { return nil }
        guard node.entries != nil else { return section.read(node, .headerName).map { ($0, nil) } }
        let header = section.section(of: node)
        let value = header.headerValue("value").map { Array($0.utf8) }
        return header.headerName(required: "name").map { ($0, value) }
    }
}

/// What a route may say.
public struct TracingRouteConfig: Sendable {
    let sampling: Sampling?
    let span: SpanConfig

    init(_ section: ConfigSection) {
        sampling = section.percent("sampling").map { Sampling($0) }
        span = SpanConfig(section)
        if sampling == nil && span.isEmpty {
            section.error("changes nothing", hint: "write sampling, name or tags, or `tracing: off`")
        }
    }
}

/// Which traces are recorded, by their ids, so that all who use the same share agree (OpenTelemetry's
/// TraceIdRatioBased).
struct Sampling: Sendable {
    private let bound: UInt64
    private let isAll: Bool

    init(_ share: Double) {
        isAll = share >= 1
        bound = isAll ? 0 : UInt64(max(share, 0) * 0x1p63)
    }

    func takes(_ traceLow: UInt64) -> Bool { isAll || traceLow >> 1 < bound }
}

/// How spans are called and what is written on them.
struct SpanConfig: Sendable {
    /// Nil: the method and the route's name.
    let name: Format?
    let tags: [(key: [UInt8], value: Format)]

    static let maxTags = 64

    var isEmpty: Bool { name == nil && tags.isEmpty }

    init(_ section: ConfigSection) {
        name = section.format("name").map { Format($0) }
        tags = section.formats("tags", .name).prefix(Self.maxTags).map { (Array($0.name.utf8), Format($0.value)) }
        if (section.node["tags"]?.entries?.count ?? 0) > Self.maxTags {
            section.error(at: "tags", "more than \(Self.maxTags) tags")
        }
    }
}

/// Where spans go, and how many at once.
struct ExportConfig: Sendable {
    let cluster: String
    let path: String
    let authority: String
    let headers: [(name: HeaderName, value: String)]
    let timeout: Duration
    let batch: Int
    let interval: Duration
    let maxQueue: Int
    let maxBytes: Int
    /// `{"resourceSpans":[...` up to the first span.
    let prefix: [UInt8]

    static let suffix = Array("]}]}]}".utf8)

    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection, _ parent: ConfigSection, _ load: LoadContext) {
        cluster = section.string(required: "cluster")
        path = section.value("path", .target) ?? "/v1/traces"
        authority = section.value("authority", .authority) ?? cluster
        headers = section.headers("headers")
        timeout = section.duration("timeout", default: .seconds(10), in: .milliseconds(1) ... .seconds(300))
        batch = section.int("batch", default: 512, in: 1...10_000)
        interval = section.duration("interval", default: .seconds(1), in: .milliseconds(10) ... .seconds(300))
        maxQueue = section.int("max_queue", default: 2048, in: 1...1_000_000)
        maxBytes =
            section.size("max_queue_bytes", default: .mebibytes(4), in: .kibibytes(64) ... .mebibytes(256)).bytes
        if maxQueue < batch {
            section.error(
                at: section.has("max_queue") ? "max_queue" : "batch", "the queue is smaller than a batch",
                hint: "max_queue: \(batch) or more")
        }
        prefix = Self.prefix(
            service: parent.value("service_name", .name) ?? "martlet",
            resource: parent.map("resource", .name))
        guard !cluster.isEmpty else { return nil }
        if !load.hasCluster(cluster) {
            section.error(
                at: "cluster", "no cluster \"\(cluster.prefix(60))\"",
                hint: "clusters: \(load.clusterNames.prefix(20).joined(separator: ", "))")
            return nil
        }
        guard Authority.isValid(authority.utf8Span.span) else {
            section.error(
                at: "cluster", "\"\(cluster.prefix(60))\" is no host", hint: "write authority: HOST beside it")
            return nil
        }
    }

    private static func prefix(service: String, resource: [(key: String, value: String)]) -> [UInt8] {
        var out = LineBuffer()
        out.append("{\"resourceSpans\":[{\"resource\":{\"attributes\":[")
        var attributes = SpanAttributes()
        attributes.add("service.name", service.utf8Span.span, to: &out)
        let host = LogHost.name
        if !host.isEmpty { attributes.add("host.name", host.span, to: &out) }
        for entry in resource where entry.key != "service.name" {
            attributes.add(entry.key.utf8Span.span, entry.value.utf8Span.span, to: &out)
        }
        out.append("]},\"scopeSpans\":[{\"scope\":{\"name\":\"martlet\"},\"spans\":[")
        return out.bytes
    }
}
