internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import Synchronization

/// The settings of a `fault` filter.
public struct FaultConfig: Sendable {
    struct Delay: Sendable {
        /// Nil: only requests that ask for one themselves (`from_headers`) are delayed.
        let duration: Duration?
        let share: Double
    }

    struct Abort: Sendable {
        let status: UInt16?
        let share: Double
    }

    struct ResponseRate: Sendable {
        /// A second.
        let rate: ByteCount
        let share: Double
    }

    let delay: Delay?
    let abort: Abort?
    let responseRate: ResponseRate?
    /// Requests with these; empty for all.
    let headers: [HeaderTest]
    /// Requests say by headers what is done to them.
    let readsHeaders: Bool
    /// The longest delay that a header may ask for.
    let maxHeaderDelay: Duration
    let active: ActiveFaults

    static let longestDelay = Duration.seconds(3600)

    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection) {
        let isFromHeaders = section.bool("from_headers", default: false)
        readsHeaders = isFromHeaders
        maxHeaderDelay = section.duration(
            "max_header_delay", default: .seconds(10), in: .milliseconds(1)...Self.longestDelay)
        delay = section.section("delay").flatMap { Delay($0, isOptional: isFromHeaders) }
        abort = section.section("abort").flatMap { Abort($0, isOptional: isFromHeaders) }
        responseRate = section.section("response_rate").flatMap { ResponseRate($0) }
        let matches = section.sections("headers").compactMap { HeaderMatch($0) }
        headers = matches.compactMap { HeaderTest($0, section.diagnostics) }
        active = ActiveFaults(limit: section.int("max_active", default: 1024, in: 1...10_000_000))
        if !["delay", "abort", "response_rate"].contains(where: section.has), !section.isMalformed {
            section.error(
                "does nothing",
                hint: "write delay: { duration: 50ms, percent: 1% }, abort: { status: 503, percent: 1% }")
        }
        if section.has("max_header_delay") && !readsHeaders {
            section.error(at: "max_header_delay", "has no meaning without from_headers: true", hint: "remove it")
        }
        if headers.count != matches.count { return nil }
    }
}

extension FaultConfig.Delay {
    fileprivate init?(_ section: ConfigSection, isOptional: Bool) {
        duration = section.duration("duration", in: .milliseconds(1)...FaultConfig.longestDelay)
        share = section.share()
        if !section.has("duration") && !isOptional {
            section.missing("duration", hint: "expected a duration such as 50ms")
        }
    }
}

extension FaultConfig.Abort {
    fileprivate init?(_ section: ConfigSection, isOptional: Bool) {
        status = section.int("status", in: 200...599).map { UInt16($0) }
        share = section.share()
        if !section.has("status") && !isOptional { section.missing("status", hint: "expected a status such as 503") }
    }
}

extension FaultConfig.ResponseRate {
    fileprivate init?(_ section: ConfigSection) {
        share = section.share()
        guard let rate = section.value(required: "rate", .size(in: .kibibytes(1) ... .mebibytes(1024))) else {
            return nil
        }
        self.rate = rate
    }
}

extension ConfigSection {
    /// How many of the requests. Required: a fault that hits all is never meant by leaving a key out.
    fileprivate func share() -> Double { value(required: "percent", .percent(in: 0...1)) ?? 0 }
}

/// How many requests are held or slowed by faults, over all workers.
final class ActiveFaults: Sendable {
    private let limit: Int
    private let count = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// False when there are as many as may be.
    func begin() -> Bool {
        let (_, now) = count.wrappingAdd(1, ordering: .relaxed)
        guard now > limit else { return true }
        end()
        return false
    }

    func end() { count.wrappingSubtract(1, ordering: .relaxed) }
}
