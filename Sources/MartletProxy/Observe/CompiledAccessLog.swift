internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// One access log of a listener, compiled; shared by all workers.
struct CompiledAccessLog: Sendable {
    enum Line: Sendable {
        /// The fields of Docs/Config.md.
        case standard
        case format(Format)
    }

    let config: AccessLogConfig
    let sink: LogSink
    let line: Line
    let filter: LogFilter?

    /// Nil after reporting why there cannot be one.
    init?(_ config: AccessLogConfig, sinks: LogSinks, diagnostics: ConfigDiagnostics) {
        self.config = config
        line =
            switch config.format {
            case .json: .standard
            case .text(let parts): .format(Format(parts))
            case .fields(let template): .format(Format(template))
            }
        filter = config.filter.map { LogFilter($0, at: config.place, diagnostics) }
        guard let sink = sinks.sink(for: config, diagnostics) else { return nil }
        self.sink = sink
    }
}

/// Which exchanges a log has a line for.
indirect enum LogFilter: Sendable {
    case all([LogFilter])
    case any([LogFilter])
    case not(LogFilter)
    case status(ClosedRange<Int>)
    case duration(ClosedRange<UInt64>)
    case flags([ResponseFlag])
    case anyFlag
    case request(RequestCondition)
    case share(Double)
    case traced(Bool)

    init(_ condition: LogCondition, at place: ConfigPlace, _ diagnostics: ConfigDiagnostics) {
        func inner(_ condition: LogCondition) -> LogFilter { LogFilter(condition, at: place, diagnostics) }
        switch condition {
        case .all(let conditions): self = .all(conditions.map(inner))
        case .any(let conditions): self = .any(conditions.map(inner))
        case .not(let condition): self = .not(inner(condition))
        case .status(let range): self = .status(range)
        case .duration(let range):
            self = .duration(Nanoseconds(range.lowerBound).rawValue...Nanoseconds(range.upperBound).rawValue)
        case .flags(let letters):
            self = letters.isEmpty ? .anyFlag : .flags(ResponseFlag.named(letters, at: place, diagnostics))
        case .request(let match):
            self = RequestCondition(match, diagnostics: diagnostics).map { .request($0) } ?? .any([])
        case .share(let share): self = .share(share)
        case .traced(let isTraced): self = .traced(isTraced)
        }
    }

    func holds(_ exchange: Exchange, _ duration: Nanoseconds, _ worker: Worker) -> Bool {
        switch self {
        case .all(let filters): filters.allSatisfy { $0.holds(exchange, duration, worker) }
        case .any(let filters): filters.contains { $0.holds(exchange, duration, worker) }
        case .not(let filter): !filter.holds(exchange, duration, worker)
        case .status(let range): range.contains(exchange.hasSentHead ? Int(exchange.response.status) : 0)
        case .duration(let range): range.contains(duration.rawValue)
        case .flags(let flags): flags.contains { exchange.flags.contains($0) }
        case .anyFlag: !exchange.flags.isEmpty
        case .request(let condition): condition.holds(exchange.request)
        case .share(let share): worker.random.fraction() < share
        case .traced(let isTraced): (exchange.trace?.isSampled == true) == isTraced
        }
    }
}
