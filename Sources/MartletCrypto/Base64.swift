/// Base64 (RFC 4648), read strictly: every text has one reading and every bytes have one text, so that no two texts pass for the same.
public enum Base64 {
    public enum Alphabet: Sendable {
        /// `+` and `/`, padded with `=`.
        case standard
        /// `-` and `_`, without padding, as JSON web tokens have it (RFC 7515 section 2).
        case url
    }

    /// Nil unless `text` is written in the alphabet, padded as it asks, and the bits behind the last byte are zero.
    public static func decode(_ text: Span<UInt8>, _ alphabet: Alphabet) -> [UInt8]? {
        var count = text.count
        if alphabet == .standard {
            guard count % 4 == 0 else { return nil }
            var padding = 0
            while padding < 2, count > 0, text[count - 1] == 0x3D {
                count -= 1
                padding += 1
            }
        }
        guard count % 4 != 1 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(count / 4 * 3 + 2)
        var bits: UInt32 = 0
        var held = 0
        for index in 0..<count {
            guard let value = value(of: text[index], alphabet) else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                out.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
                bits &= (1 << UInt32(held)) - 1
            }
        }
        return bits == 0 ? out : nil
    }

    public static func encode(_ bytes: Span<UInt8>, _ alphabet: Alphabet) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var bits: UInt32 = 0
        var held = 0
        for index in bytes.indices {
            bits = bits << 8 | UInt32(bytes[index])
            held += 8
            while held >= 6 {
                held -= 6
                out.append(character(UInt8(truncatingIfNeeded: bits >> UInt32(held)) & 63, alphabet))
            }
            bits &= (1 << UInt32(held)) - 1
        }
        if held > 0 { out.append(character(UInt8(truncatingIfNeeded: bits << UInt32(6 - held)) & 63, alphabet)) }
        if alphabet == .standard { while out.count % 4 != 0 { out.append(0x3D) } }
        return out
    }

    private static func value(of byte: UInt8, _ alphabet: Alphabet) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case 0x2B where alphabet == .standard: 62
        case 0x2F where alphabet == .standard: 63
        case 0x2D where alphabet == .url: 62
        case 0x5F where alphabet == .url: 63
        default: nil
        }
    }

    private static func character(_ value: UInt8, _ alphabet: Alphabet) -> UInt8 {
        switch value {
        case 0..<26: value + 0x41
        case 26..<52: value - 26 + 0x61
        case 52..<62: value - 52 + 0x30
        case 62: alphabet == .url ? 0x2D : 0x2B
        default: alphabet == .url ? 0x5F : 0x2F
        }
    }
}
