internal import MartletCore

/// Base64 as gRPC-Web has it, read as it comes: four characters make a quantum, and what was padded where one message ended goes on
/// with the next quantum. Characters that are none, and white space with them, are a fault.
package struct TextDecoder {
    private var bits: UInt32 = 0
    /// Characters of the present quantum, padding included.
    private var held = 0
    private var padding = 0

    package init() {}

    /// All that came makes whole bytes: the body may end here.
    package var isBetweenQuanta: Bool { held == 0 }

    /// Appends what `text` stands for. False for what is no base64; nothing more may be fed then.
    package mutating func decode(_ text: Span<UInt8>, into out: inout [UInt8]) -> Bool {
        out.reserveCapacity(out.count + text.count / 4 * 3 + 3)
        for index in text.indices {
            let byte = text[index]
            if byte == 0x3D {
                // Padding fills the last one or two places of a quantum.
                guard held >= 2 else { return false }
                padding += 1
                bits <<= 6
            } else {
                guard padding == 0, let value = Self.value(of: byte) else { return false }
                bits = bits << 6 | UInt32(value)
            }
            held += 1
            if held == 4, !finishQuantum(into: &out) { return false }
        }
        return true
    }

    private mutating func finishQuantum(into out: inout [UInt8]) -> Bool {
        // The bits that padding cuts off are zero: every text has one reading, and every bytes one text.
        guard padding == 0 || bits & (padding == 1 ? 0xFF : 0xFFFF) == 0 else { return false }
        out.append(UInt8(truncatingIfNeeded: bits >> 16))
        if padding < 2 { out.append(UInt8(truncatingIfNeeded: bits >> 8)) }
        if padding < 1 { out.append(UInt8(truncatingIfNeeded: bits)) }
        (bits, held, padding) = (0, 0, 0)
        return true
    }

    private static func value(of byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }
}

/// Writes base64 as it comes: what does not fill a quantum waits for the next piece, or for the end, which pads it.
package struct TextEncoder {
    private var bits: UInt32 = 0
    private var held = 0

    package init() {}

    package mutating func encode(_ bytes: Span<UInt8>, into out: inout [UInt8]) {
        out.reserveCapacity(out.count + (bytes.count + 3) / 3 * 4)
        for index in bytes.indices {
            bits = bits << 8 | UInt32(bytes[index])
            held += 1
            if held == 3 { flush(into: &out) }
        }
    }

    /// Pads what is left, so that the reader has all of it. More may follow.
    package mutating func flush(into out: inout [UInt8]) {
        guard held > 0 else { return }
        let padding = 3 - held
        bits <<= UInt32(8 * padding)
        for place in 0..<4 {
            let value = UInt8(truncatingIfNeeded: bits >> UInt32(18 - 6 * place)) & 63
            out.append(place > 3 - padding ? 0x3D : Self.character(value))
        }
        (bits, held) = (0, 0)
    }

    private static func character(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: value + 0x41
        case 26..<52: value - 26 + 0x61
        case 52..<62: value - 52 + 0x30
        case 62: 0x2B
        default: 0x2F
        }
    }
}
