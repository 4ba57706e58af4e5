internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// Looks at the process's memory several times a second and decides what is done about it: refuse, then shed, never die.
/// The supervisor's; workers see what it publishes.
final class OverloadWatch {
    let state: OverloadState
    /// Descriptors the process may open.
    private let descriptors: Int
    private let log: (LogLevel, String) -> Void
    private var stages: OverloadStages?
    private var config: MemoryOverloadConfig?
    /// Bytes.
    private(set) var limit = 0
    private(set) var used = 0
    private var lastTrim = Instant(nanoseconds: 0)
    private var lastShed = Instant(nanoseconds: 0)

    /// Until the next look: shorter when there is little left.
    private(set) var interval = OverloadWatch.calm
    private static let calm = Nanoseconds.milliseconds(100)
    private static let close = Nanoseconds.milliseconds(25)
    /// Between two rounds of shedding: the first must have shown what it freed.
    private static let shedInterval = Nanoseconds.milliseconds(250)
    private static let trimInterval = Nanoseconds.seconds(1)

    init(descriptors: Int, log: @escaping (LogLevel, String) -> Void) {
        self.descriptors = descriptors
        self.log = log
        state = OverloadState(maxConnections: max(descriptors / 2, 1))
    }

    func use(_ config: OverloadConfig) {
        state.limitConnections(to: config.maxConnections ?? max(descriptors / 2, 1))
        guard config.memory != self.config else { return }
        self.config = config.memory
        guard let memory = config.memory else {
            stages = nil
            limit = 0
            return state.publish([])
        }
        let available = min(CgroupMemory.limit() ?? .max, Machine.physicalBytes)
        switch memory.limit {
        case .share(let share): limit = Int(Double(available) * share)
        case .bytes(let bytes): limit = bytes.bytes
        }
        if limit > available {
            log(.warning, "overload.memory.limit is more than the \(available >> 20) MiB that this process may have")
        }
        var next = OverloadStages(memory)
        if let stages { next.takeOver(stages) }
        stages = next
    }

    /// One look. What workers are to shed now, and how many bytes of streams together; nil: nothing.
    func look(at now: Instant) -> (actions: OverloadActions, bytes: Int)? {
        guard let relief = stages?.relief, limit > 0 else { return nil }
        let before = state.actions
        var actions = measure()
        // What was freed is not the system's yet: allocators keep it. Without this the pressure would not fall, and more
        // and more would be shed.
        let wait = actions.contains(.resetStreams) ? Self.shedInterval : Self.trimInterval
        if !actions.isEmpty, now >= lastTrim + wait {
            lastTrim = now
            Machine.trimMemory()
            actions = measure()
        }
        if actions != before {
            state.publish(actions)
            let level: LogLevel = actions.isSubset(of: before) ? .info : .warning
            log(level, "overload: \(used >> 20) of \(limit >> 20) MiB in use: \(actions.names)")
        }
        let isNear = Double(used) >= Double(limit) * (stages?.first ?? 1) * 0.8
        interval = isNear ? Self.close : Self.calm
        let shed = actions.intersection([.shrinkBuffers, .closeIdle, .resetStreams])
        guard !shed.isEmpty, now >= lastShed + Self.shedInterval else { return nil }
        lastShed = now
        return (shed, max(used - Int(Double(limit) * relief), 0))
    }

    private func measure() -> OverloadActions {
        used = Machine.anonymousBytes
        return stages?.update(Double(used) / Double(limit)) ?? []
    }

    /// Percent of the limit.
    var pressure: Int { limit > 0 ? used * 100 / limit : 0 }
}
