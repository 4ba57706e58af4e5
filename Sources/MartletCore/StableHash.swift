/// A 64-bit hash that is the same in every process and version: proxies beside each other must send a client to the same
/// endpoint. Not for hash tables filled by strangers, who can make it collide.
///
/// FNV-1a over the bytes, then the finalizer of SplitMix64, without which ends that differ little would stay close together.
public struct StableHash: Sendable {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    public mutating func add(_ bytes: Span<UInt8>) {
        for index in bytes.indices { state = (state ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3 }
    }

    public var value: UInt64 { Self.mix(state) }

    public static func of(_ bytes: Span<UInt8>) -> UInt64 {
        var hash = StableHash()
        hash.add(bytes)
        return hash.value
    }

    public static func of(_ text: String) -> UInt64 { of(text.utf8Span.span) }

    /// Spreads a number over all 64 bits; a bijection.
    public static func mix(_ number: UInt64) -> UInt64 {
        var mixed = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
