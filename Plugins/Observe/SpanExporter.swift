internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Gathers a worker's spans and sends them to a collector, a batch at a time (OTLP over HTTP, in JSON).
///
/// What finds the queue full is dropped and counted: a collector that is slow or gone costs spans, never requests.
final class SpanExporter: DrainTarget {
    private struct Batch {
        let body: [UInt8]
        let spans: Int
        var isRetried = false
    }

    private let config: ExportConfig
    private let context: FilterContext
    /// The batch that is being filled.
    private var open = LineBuffer()
    private var openSpans = 0
    private var ready: [Batch] = []
    private var underWay: Batch?
    /// Until the batch under way is sent again.
    private var retryTimer: TimerHandle?
    private var queuedSpans = 0
    private var queuedBytes = 0
    private var hasTimer = false
    /// The worker is about to end, and waits for this.
    private var isSettling = false
    private var settled: (() -> Void)?

    private let exported: Counter
    private let droppedFull: Counter
    private let droppedRefused: Counter
    private let droppedFailed: Counter

    /// A batch of this many bytes is sent though it has room for further spans.
    private static let maxBatchBytes = 1 << 20

    /// How long a collector may ask us to wait before we try again.
    private static let maxRetryDelay = 30

    init(_ config: ExportConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        exported = context.counter("tracing_spans_exported_total")
        func dropped(_ reason: String) -> Counter {
            context.counter("tracing_spans_dropped_total", [("reason", reason)])
        }
        droppedFull = dropped("queue-full")
        droppedRefused = dropped("refused")
        droppedFailed = dropped("failed")
        context.holdDrain(for: self)
    }

    // MARK: Gathering

    /// Adds the spans that `write` writes, as many as it says; at most two.
    func add(_ write: (inout LineBuffer) -> Int) {
        guard queuedSpans + 2 <= max(config.maxQueue, 2), queuedBytes + open.count < config.maxBytes else {
            return droppedFull.add()
        }
        if openSpans == 0 {
            open.append(bytes: config.prefix)
        } else {
            open.append(",")
        }
        let count = write(&open)
        openSpans += count
        queuedSpans += count
        if openSpans >= config.batch || open.count >= Self.maxBatchBytes {
            close()
            send()
        } else if !hasTimer {
            hasTimer = true
            // Holds this object until what it has is gone, though its filter be.
            context.after(config.interval) { [self] in
                hasTimer = false
                close()
                send()
            }
        }
    }

    private func close() {
        guard openSpans > 0 else { return }
        open.append(bytes: ExportConfig.suffix)
        queuedBytes += open.count
        ready.append(Batch(body: open.bytes, spans: openSpans))
        open = LineBuffer()
        openSpans = 0
    }

    // MARK: Sending

    /// The next batch, unless one is under way: a collector that is behind is not helped by more at once.
    private func send() {
        guard underWay == nil, !ready.isEmpty else { return tellSettled() }
        let batch = ready.removeFirst()
        underWay = batch
        send(batch)
    }

    private func send(_ batch: Batch) {
        var request = CallRequest(cluster: config.cluster, path: config.path, authority: config.authority)
        request.method = "POST"
        request.headers = config.headers + [(.contentType, "application/json")]
        request.body = batch.body
        request.timeout = config.timeout
        request.maxResponseBody = .kibibytes(64)
        context.call(request) { [self] in answered($0, batch) }
    }

    private func answered(_ result: CallResult, _ batch: Batch) {
        switch result {
        case .response(let response) where (200...299).contains(response.head.status):
            let refused = min(Self.rejected(response.body), batch.spans)
            exported.add(UInt64(batch.spans - refused))
            droppedRefused.add(UInt64(refused))
            done(batch)
        case .response(let response):
            // OTLP's retryable answers; anything else would be the same again.
            guard [429, 502, 503, 504].contains(response.head.status) else {
                context.log(.debug, "tracing: the collector answered \(response.head.status)")
                droppedRefused.add(UInt64(batch.spans))
                return done(batch)
            }
            retry(batch, after: Self.retryAfter(response.head.headers), droppedRefused)
        case .failure(.unknownCluster), .failure(.invalidRequest):
            droppedFailed.add(UInt64(batch.spans))
            done(batch)
        case .failure(let failure):
            context.log(.debug, "tracing: spans not sent: \(failure.rawValue)")
            retry(batch, after: 1, droppedFailed)
        }
    }

    /// Once, and not while the worker waits to end.
    private func retry(_ batch: Batch, after seconds: Int, _ dropped: Counter) {
        guard !batch.isRetried, !isSettling else {
            dropped.add(UInt64(batch.spans))
            return done(batch)
        }
        var again = batch
        again.isRetried = true
        underWay = again
        retryTimer = context.after(.seconds(min(max(seconds, 1), Self.maxRetryDelay))) { [self] in
            retryTimer = nil
            send(again)
        }
    }

    private func done(_ batch: Batch) {
        underWay = nil
        queuedSpans -= batch.spans
        queuedBytes -= batch.body.count
        if isSettling { close() }
        send()
    }

    /// In seconds; 1 where nothing (that can be read) is said.
    private static func retryAfter(_ headers: HeaderTable) -> Int {
        guard let value = headers.first(.retryAfter), let wait = RetryAfter.wait(value, now: .now()) else { return 1 }
        return Int(min(wait, .seconds(UInt64(maxRetryDelay))).rawValue / 1_000_000_000)
    }

    /// `{"partialSuccess":{"rejectedSpans":"3"}}`: how many the collector would not have.
    private static func rejected(_ body: [UInt8]) -> Int {
        guard body.count > 2, let answer = try? JSONReader.read(body.span) else { return 0 }
        switch answer["partialSuccess"]?["rejectedSpans"] {
        case .string(let text): return max(Int(text) ?? 0, 0)
        case .integer(let number): return max(Int(number), 0)
        default: return 0
        }
    }

    // MARK: Draining

    func settle(_ done: @escaping () -> Void) -> Bool {
        isSettling = true
        close()
        if underWay == nil && ready.isEmpty { return true }
        settled = done
        if let timer = retryTimer.take(), let batch = underWay {
            // Its last chance is now.
            timer.cancel()
            send(batch)
        } else {
            send()
        }
        return underWay == nil && ready.isEmpty
    }

    private func tellSettled() {
        guard isSettling, underWay == nil, ready.isEmpty else { return }
        let done = settled
        settled = nil
        done?()
    }
}
