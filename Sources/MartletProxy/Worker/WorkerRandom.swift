internal import MartletCore

/// Random numbers for choices, not for secrets: xoshiro256**, seeded by the system. One per worker.
package struct WorkerRandom: RandomNumberGenerator {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    package init() {
        var system = SystemRandomNumberGenerator()
        state = (system.next(), system.next(), system.next(), system.next() | 1)
    }

    /// The same numbers each time: for tests.
    package init(seed: UInt64) {
        state = (StableHash.mix(seed &+ 1), StableHash.mix(seed &+ 2), StableHash.mix(seed &+ 3), seed | 1)
    }

    package mutating func next() -> UInt64 {
        let result = Self.rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = Self.rotate(state.3, 45)
        return result
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        (value << count) | (value >> (64 - count))
    }

    /// 0..<1.
    package mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
