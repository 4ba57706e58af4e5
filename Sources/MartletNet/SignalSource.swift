internal import CLinux

#if canImport(Glibc)
internal import Glibc
#endif

package enum Signal: Sendable {
    case terminate, interrupt, hangup
}

/// Signals as events of a loop. Make it before any thread starts, so that every thread inherits the block.
package struct SignalBlock: Sendable {
    private let descriptor: Int32

    package init() throws(SystemError) {
        // Who writes to a pipe without a reader is told by EPIPE; a log's reader that goes must not end the proxy.
        signal(SIGPIPE, SIG_IGN)
        var numbers: [Int32] = [SIGTERM, SIGINT, SIGHUP]
        descriptor = try SystemError.check("signalfd", unsafe mrt_signalfd(&numbers, Int32(numbers.count)))
    }

    package func attach(to loop: EventLoop, _ body: @escaping (Signal) -> Void) throws(SystemError) -> LevelSource {
        let descriptor = self.descriptor
        return try LevelSource(loop: loop, descriptor: descriptor, ownsDescriptor: true) {
            while true {
                switch mrt_signalfd_read(descriptor) {
                case SIGTERM: body(.terminate)
                case SIGINT: body(.interrupt)
                case SIGHUP: body(.hangup)
                default: return
                }
            }
        }
    }
}
