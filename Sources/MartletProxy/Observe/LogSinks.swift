internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet
internal import Synchronization

/// The sinks of a process, one a path, kept across reloads. A sink lives as long as a listener writes to it: what no
/// snapshot in use names is closed once its lines are written.
package final class LogSinks: Sendable {
    private struct Entry {
        weak var sink: LogSink?
        let lost: LostLines
    }

    private let entries = Locked<[String: Entry]>([:])

    package init() {}

    /// The sink that a configuration names, not yet open. Nil after reporting why there cannot be one.
    func sink(for config: AccessLogConfig, _ diagnostics: ConfigDiagnostics) -> LogSink? {
        let path = config.path
        let file = LogFile(path: path)
        do throws(SystemError) {
            try file.check()
        } catch {
            file.report(error, at: config.place, diagnostics)
            return nil
        }
        return entries.withLock { entries in
            if let known = entries[path]?.sink { return known }
            // The counts of paths that are gone stay, if they tell of something.
            entries = entries.filter { $0.value.sink != nil || $0.value.lost.count > 0 }
            let lost = entries[path]?.lost ?? LostLines()
            let sink = LogSink(file, lost: lost) { OperatorLog.write(.error, $0) }
            entries[path] = Entry(sink: sink, lost: lost)
            return sink
        }
    }

    /// Makes the files of a listener's logs ready, when the listener is about to serve.
    func open(_ listener: CompiledListener, _ diagnostics: ConfigDiagnostics) {
        for log in listener.accessLogs {
            do throws(SystemError) {
                try log.sink.open()
            } catch {
                log.sink.file.report(error, at: log.config.place, diagnostics)
            }
        }
    }

    private var sinks: [LogSink] { entries.withLock { $0.values.compactMap(\.sink) } }

    func flush() { for sink in sinks { sink.flush() } }
    func reopen() { for sink in sinks { sink.reopen() } }

    /// Lines that were not written, by path.
    var dropped: [(path: String, lines: UInt64)] {
        entries.withLock { $0.map { (path: $0.key, lines: $0.value.lost.count) }.sorted { $0.path < $1.path } }
    }
}
