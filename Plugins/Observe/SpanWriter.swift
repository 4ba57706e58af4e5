internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Writes the spans of a finished exchange as OTLP's JSON (opentelemetry-proto, trace/v1): ids in hexadecimal, times and
/// other 64 bits as strings, enumerations as numbers. Attributes are OpenTelemetry's conventions for HTTP.
struct SpanWriter {
    private var formats = FormatWriter()

    private enum Kind: UInt64 {
        case server = 2
        case client = 3
    }

    /// Times of one exchange on the wall clock, all by the same reading of it.
    private struct Times {
        let end: WallClock
        let ended: Instant

        init() {
            end = .now()
            ended = .now()
        }

        func nanoseconds(_ instant: Instant) -> UInt64 { (end - (ended - instant)).nanoseconds }
    }

    /// - Returns: how many spans were written.
    mutating func append(
        _ exchange: Exchange, _ trace: TraceContext, _ config: TracingConfig, _ route: TracingRouteConfig?,
        to out: inout LineBuffer
    ) -> Int {
        let times = Times()
        let scene = FormatWriter.Scene(duration: times.ended - exchange.started, isOver: true)
        let format = route?.span.name ?? config.span.name
        let name = format.map { formats.render($0, of: exchange, scene, as: .raw) } ?? []
        begin(exchange, trace, .server, span: trace.spanID, parent: trace.parentID, name, &out)
        span(times, from: exchange.started, &out)
        attributes(ofServer: exchange, &out)
        for tag in config.span.tags { add(tag, exchange, scene, &out) }
        for tag in route?.span.tags ?? [] { add(tag, exchange, scene, &out) }
        let status = exchange.hasSentHead ? exchange.response.status : 0
        end(
            isError: status == 0 || status >= 500 || RPCAttributes.isServerError(exchange), exchange.reason, &out)
        guard config.hasUpstreamSpan, exchange.attempts > 0 else { return 1 }
        out.append(",")
        begin(exchange, trace, .client, span: trace.upstreamSpanID, parent: trace.spanID, name, &out)
        span(times, from: exchange.upstreamStarted, &out)
        attributes(ofClient: exchange, &out)
        let answered =
            exchange.upstreamDuration != nil && exchange.response.status < 400 && !RPCAttributes.isClientError(exchange)
        end(isError: !answered || exchange.upstreamFailure != nil, exchange.upstreamFailure, &out)
        return 2
    }

    private func begin(
        _ exchange: Exchange, _ trace: TraceContext, _ kind: Kind, span: UInt64, parent: UInt64, _ name: [UInt8],
        _ out: inout LineBuffer
    ) {
        out.append("{\"traceId\":\"")
        out.append(trace: trace)
        out.append("\",\"spanId\":\"")
        out.append(hex: span)
        if parent != 0 {
            out.append("\",\"parentSpanId\":\"")
            out.append(hex: parent)
        }
        // W3C's flags, and that it is known whether the parent is remote, and whether it is.
        out.append("\",\"flags\":")
        let isRemote = kind == .server && parent != 0
        out.append(number: 0x101 + (trace.isRandom ? 2 : 0) + (isRemote ? 0x200 : 0))
        let headers = exchange.request.headers
        if let state = headers.first(Self.tracestate), state.count <= Self.maxState {
            out.append(",\"traceState\":\"")
            out.append(json: state)
            out.append("\"")
        }
        out.append(",\"name\":\"")
        if name.isEmpty {
            method(exchange, &out)
            if let route = exchange.matchedRoute?.name {
                out.append(" ")
                out.append(json: SpanAttributes.cut(route.utf8Span.span))
            }
        } else {
            out.append(json: SpanAttributes.cut(name.span))
        }
        out.append("\",\"kind\":")
        out.append(number: kind.rawValue)
    }

    private func span(_ times: Times, from start: Instant, _ out: inout LineBuffer) {
        out.append(",\"startTimeUnixNano\":\"")
        out.append(number: times.nanoseconds(start))
        out.append("\",\"endTimeUnixNano\":\"")
        out.append(number: times.end.nanoseconds)
        out.append("\",\"attributes\":[")
    }

    /// `error.type`, and the status: 2 is an error, nothing is none.
    private func end(isError: Bool, _ reason: String?, _ out: inout LineBuffer) {
        out.append("]")
        if isError {
            out.append(",\"status\":{\"code\":2")
            if let reason {
                out.append(",\"message\":\"")
                out.append(json: SpanAttributes.cut(reason.utf8Span.span))
                out.append("\"")
            }
            out.append("}")
        }
        out.append("}")
    }

    private mutating func add(
        _ tag: (key: [UInt8], value: Format), _ exchange: Exchange, _ scene: FormatWriter.Scene,
        _ out: inout LineBuffer
    ) {
        let value = formats.render(tag.value, of: exchange, scene, as: .raw)
        guard !value.isEmpty else { return }
        // Behind attributes that are always there.
        var attributes = SpanAttributes.further
        attributes.add(tag.key.span, value.span, to: &out)
    }

    // MARK: Attributes

    private func attributes(ofServer exchange: Exchange, _ out: inout LineBuffer) {
        var list = SpanAttributes()
        let request = exchange.request
        let headers = request.headers
        common(exchange, &list, &out)
        let path = request.path()
        list.add("url.path", path, to: &out)
        list.add("url.scheme", exchange.downstream?.scheme == .https ? Self.https.span : Self.http.span, to: &out)
        address(request.authority(), &list, &out)
        let client = exchange.clientIP
        if !client.isEmpty { list.add("client.address", client.utf8Span.span, to: &out) }
        if let agent = headers.first(.userAgent) { list.add("user_agent.original", agent, to: &out) }
        if let id = headers.first(.xRequestID) { list.add("martlet.request_id", id, to: &out) }
        if exchange.hasSentHead { list.add("http.response.status_code", UInt64(exchange.response.status), to: &out) }
        list.add("http.request.body.size", exchange.requestBytes, to: &out)
        list.add("http.response.body.size", exchange.bytesSent, to: &out)
        if let listener = exchange.downstream?.listener {
            list.add("martlet.listener", listener.utf8Span.span, to: &out)
        }
        if let route = exchange.matchedRoute?.name { list.add("martlet.route", route.utf8Span.span, to: &out) }
        if let cluster = exchange.clusterName { list.add("martlet.cluster", cluster.utf8Span.span, to: &out) }
        if !exchange.flags.isEmpty {
            var letters = LineBuffer()
            letters.append(exchange.flags)
            let bytes = letters.bytes
            list.add("martlet.response_flags", bytes.span, to: &out)
        }
        let status = exchange.hasSentHead ? exchange.response.status : 0
        if status == 0 || status >= 500 { error(exchange.reason, status, &list, &out) }
    }

    private func attributes(ofClient exchange: Exchange, _ out: inout LineBuffer) {
        var list = SpanAttributes()
        common(exchange, &list, &out)
        if let upstream = exchange.upstreamAddress {
            address(upstream.utf8Span.span, &list, &out)
            list.add("network.peer.address", upstream.utf8Span.span, to: &out)
        }
        if let cluster = exchange.clusterName { list.add("martlet.cluster", cluster.utf8Span.span, to: &out) }
        if exchange.attempts > 1 {
            list.add("http.request.resend_count", UInt64(exchange.attempts - 1), to: &out)
        }
        let status = exchange.upstreamDuration == nil ? 0 : exchange.response.status
        if status > 0 { list.add("http.response.status_code", UInt64(status), to: &out) }
        let failure = exchange.upstreamFailure
        if failure != nil || status == 0 || status >= 400 { error(failure, status, &list, &out) }
    }

    private func common(_ exchange: Exchange, _ list: inout SpanAttributes, _ out: inout LineBuffer) {
        let request = exchange.request
        if request.method == .other {
            list.add("http.request.method", Self.other.span, to: &out)
            list.add("http.request.method_original", request.methodBytes(), to: &out)
        } else {
            list.add("http.request.method", request.methodBytes(), to: &out)
        }
        RPCAttributes.add(exchange, &list, to: &out)
    }

    /// A method that nobody knows must not make names without bound.
    private func method(_ exchange: Exchange, _ out: inout LineBuffer) {
        let request = exchange.request
        if request.method == .other { out.append("HTTP") } else { out.append(json: request.methodBytes()) }
    }

    /// `host`, `host:port`, `[::1]:port`.
    private func address(_ authority: Span<UInt8>, _ list: inout SpanAttributes, _ out: inout LineBuffer) {
        guard authority.count > 0 else { return }
        var end = authority.count
        var index = authority.count
        while index > 0, authority[index - 1].isDigit { index -= 1 }
        if index > 0, index < authority.count, authority[index - 1] == 0x3A,
            let port = authority.extracting(index..<authority.count).decimal(), port <= 65_535,
            authority[0] == 0x5B || authority.firstIndex(of: 0x3A) == index - 1
        {
            end = index - 1
            list.add("server.port", port, to: &out)
        }
        list.add("server.address", authority.extracting(0..<end), to: &out)
    }

    /// What went wrong: in words when they are ours, or the status.
    private func error(
        _ reason: String?, _ status: UInt16, _ list: inout SpanAttributes, _ out: inout LineBuffer
    ) {
        if let reason {
            list.add("error.type", reason.utf8Span.span, to: &out)
        } else if status > 0 {
            let text = String(status)
            list.add("error.type", text.utf8Span.span, to: &out)
        } else {
            list.add("error.type", Self.other.span, to: &out)
        }
    }

    private static let tracestate = HeaderName.tracestate
    /// What the specification asks everybody to pass on.
    private static let maxState = 512
    private static let http = Array("http".utf8)
    private static let https = Array("https".utf8)
    private static let other = Array("_OTHER".utf8)
}
