/// Finds out how many requests an upstream can have under way before they wait for each other, as Envoy's gradient
/// controller does: from how long requests take now, against how long they take when the upstream is not busy.
///
///     measuring ──enough samples, or time up──▶ adjusting ──interval passed, or stuck at the least limit──▶ measuring
///
/// While measuring, few are let through, so that what is measured is the upstream and not its queue. While adjusting, once
/// in each window: gradient = (least time + buffer) / present time, kept within 0.5 and 2; limit = limit * gradient + its
/// own square root, the room a queue may take before it shows.
/// Pure: times are brought to it, and it acts when it is told of one.
struct GradientController: Sendable {
    struct Settings: Sendable, Equatable {
        /// Of a window's samples, the one that stands for all: 0.5 is the median.
        var percentile = 0.5
        var minLimit = 3
        var maxLimit = 1000
        /// Nanoseconds between two adjustments.
        var updateInterval: UInt64 = 100_000_000
        /// Nanoseconds between two measurements of the least time.
        var measureInterval: UInt64 = 60_000_000_000
        /// Longer by at most this share of it, drawn each time, so that many proxies do not measure at once.
        var jitter = 0.15
        /// Samples that a measurement needs.
        var measureSamples = 50
        /// Let through while measuring.
        var measureConcurrency = 3
        /// A measurement ends after this even with fewer samples, one at least.
        var measureTimeout: UInt64 = 5_000_000_000
        /// What is added to the least time before it is compared.
        var buffer = 0.25
    }

    private enum Phase { case measuring, adjusting }

    let settings: Settings
    /// Requests that may be under way.
    private(set) var limit: Int
    /// Nanoseconds that a request takes when the upstream is not busy; zero until it has been measured.
    private(set) var leastTime: UInt64 = 0
    private var phase = Phase.measuring
    private var phaseStarted: UInt64
    private var samples: [UInt64] = []
    private var windowEnds: UInt64 = 0
    private var nextMeasurement: UInt64 = 0
    /// Of the adjusting that a measurement interrupts.
    private var keptLimit = 0
    private var windowsAtLeast = 0
    private var random: UInt64

    /// A window's further samples are dropped: so many say enough.
    private static let maxSamples = 1024
    /// Windows at the least limit before the least time is doubted (Envoy's).
    private static let maxWindowsAtLeast = 5

    init(_ settings: Settings, at now: UInt64, seed: UInt64) {
        self.settings = settings
        limit = settings.measureConcurrency
        phaseStarted = now
        random = seed | 1
        samples.reserveCapacity(Self.maxSamples)
    }

    var isMeasuring: Bool { phase == .measuring }

    /// A request that began at `started` got its response after `time`.
    mutating func record(_ time: UInt64, started: UInt64, at now: UInt64) {
        // What began before the measurement did has stood in the queue that is not to be measured.
        if phase == .adjusting || started >= phaseStarted, samples.count < Self.maxSamples {
            samples.append(max(time, 1))
        }
        advance(to: now)
    }

    /// Does what is due.
    mutating func advance(to now: UInt64) {
        switch phase {
        case .measuring:
            let isTimeUp = now >= phaseStarted &+ settings.measureTimeout && !samples.isEmpty
            if samples.count >= settings.measureSamples || isTimeUp { endMeasurement(at: now) }
        case .adjusting:
            if now >= nextMeasurement { return startMeasurement(at: now) }
            guard now >= windowEnds else { return }
            windowEnds = now &+ settings.updateInterval
            // Without requests there is nothing to learn.
            guard let present = takeSample() else { return }
            adjust(to: present)
            if windowsAtLeast >= Self.maxWindowsAtLeast { startMeasurement(at: now) }
        }
    }

    private mutating func startMeasurement(at now: UInt64) {
        phase = .measuring
        phaseStarted = now
        windowsAtLeast = 0
        samples.removeAll(keepingCapacity: true)
        keptLimit = limit
        limit = min(limit, settings.measureConcurrency)
    }

    private mutating func endMeasurement(at now: UInt64) {
        guard let time = takeSample() else { return }
        leastTime = time
        phase = .adjusting
        phaseStarted = now
        limit = max(keptLimit, settings.minLimit)
        windowEnds = now &+ settings.updateInterval
        let jitter = Double(settings.measureInterval) * settings.jitter * fraction()
        nextMeasurement = now &+ settings.measureInterval &+ UInt64(max(jitter, 0))
    }

    /// The percentile of the samples since the last time; nil when there are none.
    private mutating func takeSample() -> UInt64? {
        guard !samples.isEmpty else { return nil }
        samples.sort()
        let rank = Int((Double(samples.count) * settings.percentile).rounded(.up)) - 1
        let sample = samples[min(max(rank, 0), samples.count - 1)]
        samples.removeAll(keepingCapacity: true)
        return sample
    }

    private mutating func adjust(to present: UInt64) {
        let wanted = Double(leastTime) * (1 + settings.buffer)
        let gradient = min(max(wanted / Double(present), 0.5), 2)
        let scaled = Double(limit) * gradient
        let next = min(scaled + scaled.squareRoot(), Double(settings.maxLimit))
        limit = max(Int(next), settings.minLimit)
        windowsAtLeast = limit == settings.minLimit ? windowsAtLeast + 1 : 0
    }

    /// 0..<1: xorshift64*, for spreading measurements and nothing else.
    private mutating func fraction() -> Double {
        random ^= random >> 12
        random ^= random << 25
        random ^= random >> 27
        return Double((random &* 0x2545_F491_4F6C_DD1D) >> 11) * 0x1p-53
    }
}
