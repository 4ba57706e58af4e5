internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Writes one line for each finished exchange of a listener on one worker. Lines gather in a buffer of the worker's and
/// go to the sink once a loop turn.
final class AccessLogger {
    private let sink: LogSink
    private unowned let worker: Worker
    private let format: AccessLogConfig.Format
    private var line = LineBuffer()
    private var time = LogTime()
    /// Names of headers that a text format asks for.
    private var names: [String: HeaderName] = [:]

    init(_ config: AccessLogConfig, sink: LogSink, worker: Worker) {
        self.sink = sink
        self.worker = worker
        format = config.format
        guard case .text(let parts) = config.format else { return }
        for part in parts {
            guard case .value(_, let argument, let alternative, _) = part else { continue }
            for name in [argument, alternative].compactMap({ $0 }) { names[name] = HeaderName(name) }
        }
    }

    func turnEnded() {
        guard !line.isEmpty else { return }
        let bytes = line.bytes
        sink.submit(bytes.span)
        line.removeAll()
    }

    func record(_ exchange: Exchange, duration: Nanoseconds) {
        if line.isEmpty { worker.hasLines(self) }
        switch format {
        case .json: json(exchange, duration)
        case .text(let parts): for part in parts { append(part, exchange, duration) }
        }
        line.append(0x0A)
        // A burst in one turn must not hold more than this.
        if line.count > 1 << 20 { turnEnded() }
    }

    // MARK: JSON

    private func json(_ exchange: Exchange, _ duration: Nanoseconds) {
        let request = exchange.request
        let headers = request.headers
        line.append("{\"time\":\"")
        time.append(.now(), to: &line)
        line.append("\",\"listener\":\"")
        if let name = exchange.downstream?.listener { line.append(json: name.utf8Span.span) }
        line.append("\",\"client\":\"")
        let ip = exchange.clientIP
        line.append(json: ip.utf8Span.span)
        line.append("\",\"method\":\"")
        line.append(json: request.methodBytes())
        line.append("\",\"host\":\"")
        line.append(json: request.authority())
        line.append("\",\"path\":\"")
        line.append(json: request.target())
        line.append("\",\"protocol\":\"")
        line.append(Self.name(request.version))
        line.append("\",\"status\":")
        line.append(number: exchange.hasSentHead ? UInt64(exchange.response.status) : 0)
        line.append(",\"flags\":\"")
        flags(exchange)
        line.append("\"")
        if let reason = exchange.reason {
            line.append(",\"reason\":\"")
            line.append(json: reason.utf8Span.span)
            line.append("\"")
        }
        line.append(",\"bytes_received\":")
        line.append(number: exchange.requestBytes)
        line.append(",\"bytes_sent\":")
        line.append(number: Self.bytesSent(exchange))
        line.append(",\"duration_ms\":")
        line.append(milliseconds: duration)
        if let upstream = exchange.upstreamAddress {
            line.append(",\"upstream\":\"")
            line.append(json: upstream.utf8Span.span)
            line.append("\",\"attempts\":")
            line.append(number: UInt64(exchange.attempts))
        }
        if let cluster = exchange.clusterName {
            line.append(",\"cluster\":\"")
            line.append(json: cluster.utf8Span.span)
            line.append("\"")
        }
        if let span = Self.upstreamDuration(exchange) {
            line.append(",\"upstream_duration_ms\":")
            line.append(milliseconds: span)
        }
        if let name = exchange.matchedRoute?.name {
            line.append(",\"route\":\"")
            line.append(json: name.utf8Span.span)
            line.append("\"")
        }
        if let id = headers.first(.xRequestID) {
            line.append(",\"request_id\":\"")
            line.append(json: id)
            line.append("\"")
        }
        if let agent = headers.first(.userAgent) {
            line.append(",\"user_agent\":\"")
            line.append(json: agent)
            line.append("\"")
        }
        if let forwarded = headers.first(.xForwardedFor) {
            line.append(",\"x_forwarded_for\":\"")
            line.append(json: forwarded)
            line.append("\"")
        }
        if !exchange.shadowNotes.isEmpty {
            line.append(",\"shadow\":[")
            for (index, note) in exchange.shadowNotes.enumerated() {
                line.append(index == 0 ? "\"" : ",\"")
                line.append(json: note.utf8Span.span)
                line.append("\"")
            }
            line.append("]")
        }
        line.append("}")
    }

    private static func upstreamDuration(_ exchange: Exchange) -> Nanoseconds? {
        guard exchange.attempts > 0, exchange.upstreamResponded > exchange.upstreamStarted else { return nil }
        return exchange.upstreamResponded - exchange.upstreamStarted
    }

    /// Nil while upstream has answered nothing.
    private static func responseDuration(_ exchange: Exchange) -> Nanoseconds? {
        upstreamDuration(exchange).map { _ in exchange.upstreamResponded - exchange.started }
    }

    private static func requestDuration(_ exchange: Exchange) -> Nanoseconds? {
        exchange.requestEnded == .never ? nil : exchange.requestEnded - exchange.started
    }

    private static func bytesSent(_ exchange: Exchange) -> UInt64 {
        exchange.sendsNoBody ? 0 : exchange.responseBytes
    }

    /// Why upstream could not be reached or did not answer as it should; refusals of our own are no such thing.
    private static func upstreamFailure(_ exchange: Exchange) -> String? {
        upstreamFailureFlags.contains { exchange.flags.contains($0) } ? exchange.reason : nil
    }

    private static let upstreamFailureFlags: [ResponseFlag] = [
        .upstreamConnectionFailure, .upstreamConnectionTermination, .upstreamRemoteReset, .upstreamProtocolError,
    ]

    private static func name(_ version: HTTPVersion) -> StaticString {
        switch version {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        }
    }

    private func flags(_ exchange: Exchange) {
        guard !exchange.flags.isEmpty else { return line.append("-") }
        var isFirst = true
        for flag in ResponseFlag.allCases where exchange.flags.contains(flag) {
            if !isFirst { line.append(",") }
            line.append(flag.letters)
            isFirst = false
        }
    }

    // MARK: Text

    private func append(_ part: AccessLogPart, _ exchange: Exchange, _ duration: Nanoseconds) {
        switch part {
        case .literal(let text): line.append(text)
        case .value(let name, let argument, let alternative, let limit):
            let start = line.count
            append(name, argument, alternative, exchange, duration)
            if line.count == start { line.append("-") }
            if let limit { line.truncate(from: start, to: limit) }
        }
    }

    private func append(
        _ name: AccessLogOperator, _ argument: String?, _ alternative: String?, _ exchange: Exchange,
        _ duration: Nanoseconds
    ) {
        switch name {
        case .startTime: time.append(WallClock.now() - duration, to: &line)
        case .request: request(exchange, argument, alternative)
        case .response: field(exchange.response.headers, argument, alternative)
        case .trailer: field(exchange.responseTrailers, argument, alternative)
        case .protocol: line.append(Self.name(exchange.request.version))
        case .responseCode: line.append(number: exchange.hasSentHead ? UInt64(exchange.response.status) : 0)
        case .responseCodeDetails: if let reason = exchange.reason { line.append(text: reason.utf8Span.span) }
        case .upstreamFailure:
            if let reason = Self.upstreamFailure(exchange) { line.append(text: reason.utf8Span.span) }
        case .responseFlags: flags(exchange)
        case .bytesReceived: line.append(number: exchange.requestBytes)
        case .bytesSent: line.append(number: Self.bytesSent(exchange))
        case .duration: line.append(number: duration.rawValue / 1_000_000)
        case .requestDuration:
            if let span = Self.requestDuration(exchange) { line.append(number: span.rawValue / 1_000_000) }
        case .responseDuration:
            if let span = Self.responseDuration(exchange) { line.append(number: span.rawValue / 1_000_000) }
        case .upstreamHost: if let host = exchange.upstreamAddress { line.append(text: host.utf8Span.span) }
        case .upstreamCluster: if let cluster = exchange.clusterName { line.append(text: cluster.utf8Span.span) }
        case .upstreamAttempts: line.append(number: UInt64(exchange.attempts))
        case .routeName: if let name = exchange.matchedRoute?.name { line.append(text: name.utf8Span.span) }
        case .listenerName: if let name = exchange.downstream?.listener { line.append(text: name.utf8Span.span) }
        case .downstreamRemoteAddress:
            let ip = exchange.clientIP
            line.append(text: ip.utf8Span.span)
            if let port = exchange.downstream?.directRemotePort {
                line.append(":")
                line.append(number: UInt64(port))
            }
        case .downstreamRemoteAddressWithoutPort:
            let ip = exchange.clientIP
            line.append(text: ip.utf8Span.span)
        case .downstreamDirectRemoteAddress: if let peer = exchange.downstream { line.append(peer.directRemoteAddress) }
        case .downstreamDirectRemoteAddressWithoutPort:
            if let peer = exchange.downstream { line.append(peer.directRemoteIP) }
        case .downstreamLocalAddress: if let peer = exchange.downstream { line.append(peer.localAddress) }
        case .connectionID: if let peer = exchange.downstream { line.append(number: peer.connectionID) }
        case .hostname:
            let name = LogHost.name
            line.append(text: name.span)
        case .shadow:
            for (index, note) in exchange.shadowNotes.enumerated() {
                if index > 0 { line.append("; ") }
                line.append(text: note.utf8Span.span)
            }
        }
    }

    private func request(_ exchange: Exchange, _ argument: String?, _ alternative: String?) {
        for name in [argument, alternative].compactMap({ $0 }) {
            switch name {
            case ":method":
                let request = exchange.request
                return line.append(text: request.methodBytes())
            case ":path":
                let request = exchange.request
                return line.append(text: request.target())
            case ":authority", "host":
                let request = exchange.request
                return line.append(text: request.authority())
            case ":scheme": return line.append(exchange.request.scheme == .https ? "https" : "http")
            default:
                let headers = exchange.request.headers
                if let known = names[name], let value = headers.first(known) { return line.append(text: value) }
            }
        }
    }

    private func field(_ headers: HeaderTable, _ argument: String?, _ alternative: String?) {
        for name in [argument, alternative].compactMap({ $0 }) {
            if let known = names[name], let value = headers.first(known) { return line.append(text: value) }
        }
    }
}
