internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// Writes one line for each finished exchange of a listener on one worker. Lines gather in a buffer of the worker's and
/// go to the sink once a loop turn.
final class AccessLogger {
    private let log: CompiledAccessLog
    private unowned let worker: Worker
    private var line = LineBuffer()
    private var time = LogTime()
    private var writer = FormatWriter()

    init(_ log: CompiledAccessLog, worker: Worker) {
        self.log = log
        self.worker = worker
    }

    func turnEnded() {
        guard !line.isEmpty else { return }
        let bytes = line.bytes
        log.sink.submit(bytes.span)
        line.removeAll()
    }

    /// - Parameter serverName: of a connection without requests, what its client asked for in TLS.
    func record(_ exchange: Exchange, duration: Nanoseconds, serverName: String? = nil) {
        if let filter = log.filter, !filter.holds(exchange, duration, worker) { return }
        if line.isEmpty { worker.hasLines(self) }
        switch log.line {
        case .standard where exchange.isConnection: json(connection: exchange, duration, serverName)
        case .standard: json(exchange, duration)
        case .format(let format):
            writer.append(
                format, of: exchange, .init(duration: duration, isOver: true, serverName: serverName), to: &line)
        }
        line.append(0x0A)
        // A burst in one turn must not hold more than this.
        if line.count > 1 << 20 { turnEnded() }
    }

    // MARK: JSON

    private func json(_ exchange: Exchange, _ duration: Nanoseconds) {
        let request = exchange.request
        let headers = request.headers
        begin(exchange)
        line.append(",\"method\":\"")
        line.append(json: request.methodBytes())
        line.append("\",\"host\":\"")
        line.append(json: request.authority())
        line.append("\",\"path\":\"")
        line.append(json: request.target())
        line.append("\",\"protocol\":\"")
        line.append(request.version.text)
        line.append("\",\"status\":")
        line.append(number: exchange.hasSentHead ? UInt64(exchange.response.status) : 0)
        if let status = exchange.grpcStatus {
            line.append(",\"grpc_status\":")
            line.append(number: UInt64(status.rawValue))
        }
        outcome(exchange, duration)
        if let span = exchange.upstreamDuration {
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
        if let trace = exchange.trace {
            line.append(",\"trace_id\":\"")
            line.append(trace: trace)
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
        if let tls = exchange.downstream?.tls { json(tls) }
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

    private func begin(_ exchange: Exchange) {
        line.append("{\"time\":\"")
        time.append(.now(), to: &line)
        line.append("\",\"listener\":\"")
        if let name = exchange.downstream?.listener { line.append(json: name.utf8Span.span) }
        line.append("\",\"client\":\"")
        let ip = exchange.clientIP
        line.append(json: ip.utf8Span.span)
        line.append("\"")
    }

    /// How it ended, what it moved and where that came from.
    private func outcome(_ exchange: Exchange, _ duration: Nanoseconds) {
        line.append(",\"flags\":\"")
        line.append(exchange.flags)
        line.append("\"")
        if let reason = exchange.reason {
            line.append(",\"reason\":\"")
            line.append(json: reason.utf8Span.span)
            line.append("\"")
        }
        line.append(",\"bytes_received\":")
        line.append(number: exchange.requestBytes)
        line.append(",\"bytes_sent\":")
        line.append(number: exchange.bytesSent)
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
    }

    private func json(connection: Exchange, _ duration: Nanoseconds, _ serverName: String?) {
        begin(connection)
        line.append(",\"protocol\":\"tcp\"")
        if let tls = connection.downstream?.tls {
            json(tls)
        } else if let serverName {
            line.append(",\"server_name\":\"")
            line.append(json: serverName.utf8Span.span)
            line.append("\"")
        }
        outcome(connection, duration)
        line.append("}")
    }

    /// `client_identity` is who the certificate is about, and there for those that are validated only.
    private func json(_ tls: TLSDetails) {
        line.append(",\"tls_version\":\"")
        let version = tls.version.rawValue
        line.append(json: version.utf8Span.span)
        line.append("\",\"tls_cipher\":\"")
        line.append(json: tls.cipherSuite.utf8Span.span)
        line.append("\"")
        if let name = tls.serverName {
            line.append(",\"server_name\":\"")
            line.append(json: name.utf8Span.span)
            line.append("\"")
        }
        if let name = tls.validatedPeer?.principals.first {
            line.append(",\"client_identity\":\"")
            line.append(json: name.utf8Span.span)
            line.append("\"")
        }
    }
}
