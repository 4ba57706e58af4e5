public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `tracing`: passes traces on to upstream (W3C trace context, B3), and sends spans to an OpenTelemetry collector.
public struct TracingKind: FilterKind {
    public let name = "tracing"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> TracingConfig? {
        TracingConfig(section, load)
    }

    public func decodeRoute(
        _ section: ConfigSection, _ config: TracingConfig, _ load: LoadContext
    ) -> TracingRouteConfig? { TracingRouteConfig(section) }

    public func makeFilter(_ config: TracingConfig, _ context: FilterContext) -> any Filter {
        Tracing(config, context)
    }
}

/// One request is one span, of kind server, and one more of kind client if upstream was asked.
final class Tracing: Filter {
    private let config: TracingConfig
    private let context: FilterContext
    private let exporter: SpanExporter?
    private let sampledCount: Counter
    private let unsampledCount: Counter
    private var writer = SpanWriter()

    var hooks: Hooks { exporter == nil ? [.requestHead] : [.requestHead, .end] }

    init(_ config: TracingConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        exporter = config.export.map { SpanExporter($0, context) }
        sampledCount = context.counter("tracing_requests_total", [("sampled", "true")])
        unsampledCount = context.counter("tracing_requests_total", [("sampled", "false")])
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.request.headers
        let isForced = isForced(headers)
        var incoming: IncomingTrace?
        if config.trustsIncoming { incoming = config.fields.read(headers) } else { config.fields.strip(headers) }
        let parent = incoming?.parent
        let low = parent?.traceLow ?? randomID()
        var trace = TraceContext(
            traceHigh: parent?.traceHigh ?? randomID(), traceLow: low, spanID: randomID(),
            parentID: parent?.spanID ?? 0, upstreamSpanID: 0, isSampled: false)
        if isForced {
            trace.isSampled = true
        } else if let decided = incoming?.isSampled {
            trace.isSampled = decided
        } else {
            let route = context.routeConfig(of: exchange, as: TracingRouteConfig.self)
            trace.isSampled = (route?.sampling ?? config.sampling).takes(low)
        }
        // Without a span of our own between, upstream's parent is the span of the request.
        trace.upstreamSpanID = config.hasUpstreamSpan ? randomID() : trace.spanID
        trace.isRandom = parent != nil && incoming?.isRandom == true
        trace.isDebug = incoming?.isDebug == true
        config.fields.write(trace, to: headers, continues: parent != nil)
        exchange.trace = trace
        (trace.isSampled ? sampledCount : unsampledCount).add()
        return .next
    }

    private func isForced(_ headers: HeaderTable) -> Bool {
        guard let force = config.force, let value = headers.first(force.name) else { return false }
        return force.value.map { value.equals($0.span) } ?? true
    }

    /// Never zero, which is no id.
    private func randomID() -> UInt64 {
        let bits = context.randomBits()
        return bits == 0 ? 1 : bits
    }

    func onEnd(_ exchange: Exchange) {
        guard let exporter, let trace = exchange.trace, trace.isSampled else { return }
        let route = context.routeConfig(of: exchange, as: TracingRouteConfig.self)
        exporter.add { writer.append(exchange, trace, config, route, to: &$0) }
    }
}
