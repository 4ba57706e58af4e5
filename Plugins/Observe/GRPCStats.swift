public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// `grpc_stats`: counts gRPC calls by service, method and status, their messages, and how long they take.
public struct GRPCStatsKind: FilterKind {
    public let name = "grpc_stats"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> GRPCStatsConfig? { GRPCStatsConfig(section) }

    public func makeFilter(_ config: GRPCStatsConfig, _ context: FilterContext) -> any Filter {
        GRPCStats(config, context)
    }
}

final class GRPCStats: Filter {
    /// A call under way.
    private final class Progress {
        var request = MessageCounter()
        var response = MessageCounter()
        /// Base64 is not looked into.
        var countsMessages = true
    }

    /// The series of one method.
    private final class Row {
        private let labels: [(String, String)]
        private let context: FilterContext
        let duration: Histogram
        let requestMessages, responseMessages: Counter
        /// By status; then those without a name, then none.
        private var requests: [Counter?]

        init(_ service: String, _ method: String, _ context: FilterContext) {
            labels = [("service", service), ("method", method)]
            self.context = context
            duration = context.histogram("grpc_request_duration_seconds", labels)
            requestMessages = context.counter("grpc_request_messages_total", labels)
            responseMessages = context.counter("grpc_response_messages_total", labels)
            requests = [Counter?](repeating: nil, count: GRPCStatus.named + 2)
        }

        func requests(_ status: GRPCStatus?) -> Counter {
            let column = status.map { min(Int($0.rawValue), GRPCStatus.named) } ?? GRPCStatus.named + 1
            if let known = requests[column] { return known }
            let name = status.map { $0.snakeName?.description ?? "other" } ?? "none"
            let counter = context.counter("grpc_requests_total", labels + [("grpc_status", name)])
            requests[column] = counter
            return counter
        }
    }

    private let config: GRPCStatsConfig
    private let context: FilterContext
    private let slot: Slot<Progress>
    /// Used again, so that a call allocates nothing.
    private var spare: [Progress] = []
    private var paths = ByteTable(folds: false)
    private var rows: [Row] = []
    private lazy var others = Row("other", "other", context)

    private static let maxSpare = 1024

    let hooks: Hooks

    init(_ config: GRPCStatsConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(Progress.self)
        hooks = config.countsMessages ? [.requestHead, .requestBody, .responseBody, .end] : [.requestHead, .end]
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        guard let kind = GRPCContentType(in: exchange.request.headers) else { return .next }
        let progress = spare.popLast() ?? Progress()
        progress.countsMessages = kind != .webText
        exchange[slot] = progress
        return .next
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        if let progress = exchange[slot], progress.countsMessages { progress.request.take(chunk.bytes()) }
        return .next
    }

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        if let progress = exchange[slot], progress.countsMessages { progress.response.take(chunk.bytes()) }
        return .next
    }

    func onEnd(_ exchange: Exchange) {
        guard let progress = exchange[slot] else { return }
        exchange[slot] = nil
        let status = exchange.grpcStatus
        let row = row(exchange, status)
        row.requests(status).add()
        row.duration.record(nanoseconds: (context.now - exchange.started).rawValue)
        row.requestMessages.add(progress.request.count)
        row.responseMessages.add(progress.response.count)
        progress.request = MessageCounter()
        progress.response = MessageCounter()
        if spare.count < Self.maxSpare { spare.append(progress) }
    }

    private func row(_ exchange: Exchange, _ status: GRPCStatus?) -> Row {
        let request = exchange.request
        let path = request.path()
        if let known = paths.find(path) { return rows[known] }
        // Of names that nobody serves there is no end; they must not take the place of those that are served.
        guard exchange.attempts > 0, status != .unimplemented, status != nil, let parts = GRPCMethodPath(path),
            config.names.admits(path.array())
        else { return others }
        let row = Row(path.extracting(parts.service).string(), path.extracting(parts.method).string(), context)
        _ = paths.insert(path.array())
        rows.append(row)
        return row
    }
}
