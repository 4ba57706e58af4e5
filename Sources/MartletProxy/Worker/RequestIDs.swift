internal import MartletCore
internal import MartletHTTP

/// Makes `x-request-id` values: random UUIDs, version 4 (RFC 9562), 36 characters.
struct RequestIDs {
    private var random: WorkerRandom

    init(random: WorkerRandom) { self.random = random }

    /// Adds the field, writing the text straight into the table.
    mutating func append(to headers: HeaderTable) {
        let high = (random.next() & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000
        let low = (random.next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        let first = Self.hexadecimal(UInt32(truncatingIfNeeded: high >> 32))
        let second = Self.hexadecimal(UInt32(truncatingIfNeeded: high))
        let third = Self.hexadecimal(UInt32(truncatingIfNeeded: low >> 32))
        let fourth = Self.hexadecimal(UInt32(truncatingIfNeeded: low))
        var text = InlineArray<36, UInt8>(repeating: 0x2D)
        for index in 0..<8 {
            let shift = UInt64(index * 8)
            text[index] = UInt8(truncatingIfNeeded: first >> shift)
            text[index < 4 ? 9 + index : 10 + index] = UInt8(truncatingIfNeeded: second >> shift)
            text[index < 4 ? 19 + index : 20 + index] = UInt8(truncatingIfNeeded: third >> shift)
            text[28 + index] = UInt8(truncatingIfNeeded: fourth >> shift)
        }
        headers.append(.xRequestID, text.span)
    }

    /// Eight digits at once, the first in the lowest byte: nibbles are spread over bytes, then made characters.
    private static func hexadecimal(_ value: UInt32) -> UInt64 {
        var spread = UInt64(value.byteSwapped)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        let nibbles = ((spread >> 4) & 0x000F_000F_000F_000F) | ((spread & 0x000F_000F_000F_000F) << 8)
        let letters = ((nibbles &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }
}
