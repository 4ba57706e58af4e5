internal import MartletCore

/// The checksum of PROXY protocol headers: CRC-32C (Castagnoli), as RFC 3720 appendix B.4 has it.
enum CRC32C {
    /// Of each half byte.
    private static let table: [UInt32] = (0..<16).map { start in
        (0..<4).reduce(UInt32(start)) { value, _ in value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
    }

    /// Of all `bytes`, those in `zeroed` taken as zero.
    static func of(_ bytes: Span<UInt8>, zeroing zeroed: Range<Int>) -> UInt32 {
        let table = self.table
        var sum: UInt32 = .max
        for index in bytes.indices {
            sum ^= zeroed.contains(index) ? 0 : UInt32(bytes[index])
            sum = (sum >> 4) ^ table[Int(sum & 0xF)]
            sum = (sum >> 4) ^ table[Int(sum & 0xF)]
        }
        return ~sum
    }
}

extension Span where Element == UInt8 {
    /// Two bytes as the network orders them. In bounds: the caller has looked.
    func bigEndian16(at index: Int) -> Int { Int(self[index]) << 8 | Int(self[index + 1]) }

    /// At most 16 bytes.
    func bigEndian(_ range: Range<Int>) -> UInt128 {
        var value: UInt128 = 0
        for index in range { value = value << 8 | UInt128(self[index]) }
        return value
    }
}
