internal import MartletCore

/// How long to wait before the next try: twice as long each time, and each proxy another share of it, so that a thousand that
/// lost their control plane do not come back at once.
struct RetryPause {
    private let first: Nanoseconds
    private let longest: Nanoseconds
    private var tries = 0

    init(first: Nanoseconds, longest: Nanoseconds) {
        self.first = first
        self.longest = longest
    }

    mutating func reset() { tries = 0 }

    mutating func next() -> Nanoseconds {
        defer { tries = min(tries + 1, 30) }
        let bound = min(Double(longest.rawValue), Double(first.rawValue) * Double(1 << tries))
        return Nanoseconds(rawValue: UInt64(Double.random(in: 0.5...1) * bound))
    }
}
