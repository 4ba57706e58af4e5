internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

package final class LogSink: Sendable {
    package init(path: String) {}
}
final class AccessLogger {
    init(_ config: AccessLogConfig, sink: LogSink) {}
    func record(_ exchange: Exchange, duration: Nanoseconds) {}
    func turnEnded() {}
}
package final class LogSinks: Sendable {
    func sink(for config: AccessLogConfig) -> LogSink? { nil }
    func flush() {}
    func reopen() {}
}
final class AdminServer {
    init(loop: EventLoop, address: ConfigAddress, backend: Supervisor) throws(SystemError) {}
}
