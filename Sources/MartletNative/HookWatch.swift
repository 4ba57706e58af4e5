internal import CLinux
internal import MartletCore
internal import MartletFilter

/// Notices hooks that hold their worker. To some milliseconds only, by a clock that costs a few nanoseconds.
final class HookWatch {
    private let limit: UInt64
    private let module: String
    private let filter: String
    private let slow: Counter
    private let context: FilterContext
    private var nextLine = Instant(nanoseconds: 0)
    /// Between two lines about one filter on one worker.
    private static let pause = Nanoseconds.seconds(10)

    init(module: String, filter: String, limit: Nanoseconds?, _ context: FilterContext) {
        self.limit = limit?.rawValue ?? .max
        self.module = module
        self.filter = filter
        self.context = context
        slow = context.counter("module_slow_hooks_total", [("module", module), ("filter", filter)])
    }

    @inline(__always)
    func begin() -> UInt64 { limit == .max ? 0 : mrt_coarse_nanoseconds() }

    @inline(__always)
    func end(_ began: UInt64, _ hook: StaticString) {
        guard limit != .max else { return }
        let took = mrt_coarse_nanoseconds() &- began
        if took > limit { wasSlow(took, hook) }
    }

    private func wasSlow(_ took: UInt64, _ hook: StaticString) {
        slow.add()
        let now = Instant.now()
        guard now >= nextLine else { return }
        nextLine = now + Self.pause
        context.log(
            .warning,
            "module \(module): \(hook) of filter \(filter) held its worker for about \(took / 1_000_000) ms; more than \(limit / 1_000_000) ms is slow"
        )
    }
}
