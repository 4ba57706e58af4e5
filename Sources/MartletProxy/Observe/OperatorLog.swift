internal import Logging
internal import MartletCore
package import MartletFilter

#if canImport(Glibc)
internal import Glibc
#endif

/// The log of the process itself, on standard error: what an operator reads, not what requests do.
package enum OperatorLog {
    private static let sink = {
        let sink = LogSink(LogFile(path: "/dev/stderr")) { _ in }
        // Without standard error there is nobody to tell.
        try? sink.open()
        return sink
    }()
    private static let logger = Logger(label: "martlet") { _ in OperatorLogHandler(sink: sink) }

    /// Never blocks the caller.
    package static func write(_ level: LogLevel, _ message: String) {
        logger.log(level: level.swiftLog, "\(message)")
    }

    /// Waits until everything has been written, at most a second.
    package static func flush() { sink.flush() }
}

extension LogLevel {
    fileprivate var swiftLog: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}

/// `2026-01-31T12:34:56.789Z info message`, one line each.
private struct OperatorLogHandler: LogHandler {
    let sink: LogSink
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = LineBuffer()
        var time = LogTime()
        time.append(.now(), to: &line)
        line.append(" \(event.level) ")
        let message = "\(event.message)"
        // A message with line breaks stays one event: what follows is indented.
        line.append(message.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n    "))
        line.append(0x0A)
        let bytes = line.bytes
        sink.submit(bytes.span)
    }
}
