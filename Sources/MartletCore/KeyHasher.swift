/// Hashes what requests are told apart by: SipHash-2-4 (Aumasson and Bernstein, 2012), under a secret that each process
/// draws anew. Who does not know the secret cannot choose keys that meet in a table.
package struct KeyHasher {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    /// Bytes that do not fill a word yet, and how many of them there are.
    private var tail: UInt64 = 0
    private var tailCount: UInt64 = 0
    /// Of the part under way.
    private var count: UInt64 = 0

    package typealias Secret = (UInt64, UInt64)

    /// Drawn when the process starts.
    package static let secret: Secret = {
        var system = SystemRandomNumberGenerator()
        return (system.next(), system.next())
    }()

    package init(_ secret: Secret = KeyHasher.secret) {
        v0 = secret.0 ^ 0x736f_6d65_7073_6575
        v1 = secret.1 ^ 0x646f_7261_6e64_6f6d
        v2 = secret.0 ^ 0x6c79_6765_6e65_7261
        v3 = secret.1 ^ 0x7465_6462_7974_6573
    }

    /// A word that stands for itself: a number, an address.
    package mutating func combine(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    package mutating func append(_ byte: UInt8) {
        tail |= UInt64(byte) << (tailCount &* 8)
        tailCount &+= 1
        count &+= 1
        guard tailCount == 8 else { return }
        combine(tail)
        tail = 0
        tailCount = 0
    }

    package mutating func append(_ bytes: Span<UInt8>) {
        for index in bytes.indices { append(bytes[index]) }
    }

    /// Ends a part of a key made of several: `ab` and `c` are another key than `a` and `bc`. The length comes last, so that
    /// parts can be told apart from the end.
    package mutating func endPart() {
        if tailCount > 0 { combine(tail) }
        combine(count)
        tail = 0
        tailCount = 0
        count = 0
    }

    package mutating func finish() -> UInt64 {
        v2 ^= 0xFF
        round()
        round()
        round()
        round()
        return v0 ^ v1 ^ v2 ^ v3
    }

    @inline(__always)
    private mutating func round() {
        v0 = v0 &+ v1
        v1 = Self.rotate(v1, 13) ^ v0
        v0 = Self.rotate(v0, 32)
        v2 = v2 &+ v3
        v3 = Self.rotate(v3, 16) ^ v2
        v0 = v0 &+ v3
        v3 = Self.rotate(v3, 21) ^ v0
        v2 = v2 &+ v1
        v1 = Self.rotate(v1, 17) ^ v2
        v2 = Self.rotate(v2, 32)
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        (value << count) | (value >> (64 &- count))
    }
}
