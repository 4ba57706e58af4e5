internal import MartletCore

/// `grpc-message`: text for people, percent-encoded so that it can stand in a field.
package enum GRPCMessageText {
    /// Longer texts are cut: clients bound their heads, and nobody reads more.
    package static let maxBytes = 1024

    /// The first `maxBytes` of `text`, cut before a character that does not fit whole. White space at the end is left out.
    package static func encode(_ text: Span<UInt8>) -> [UInt8] {
        var end = text.count
        if end > maxBytes {
            end = maxBytes
            while end > maxBytes - 4, text[end] & 0xC0 == 0x80 { end -= 1 }
        }
        while end > 0, text[end - 1] == 0x0A || text[end - 1] == 0x0D || text[end - 1] == 0x20 { end -= 1 }
        var out: [UInt8] = []
        out.reserveCapacity(end)
        for index in 0..<end {
            let byte = text[index]
            // gRPC over HTTP/2, Responses: space to `~` stand for themselves, but for the percent sign.
            if byte >= 0x20 && byte <= 0x7E && byte != 0x25 {
                out.append(byte)
            } else {
                out.append(0x25)
                out.append(digit(byte >> 4))
                out.append(digit(byte & 0xF))
            }
        }
        return out
    }

    /// What `field` says. An escape that is none stands for itself: a message must never be lost over how it was written.
    package static func decode(_ field: Span<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(field.count)
        var index = 0
        while index < field.count {
            let byte = field[index]
            index += 1
            guard byte == 0x25, index + 1 < field.count, let high = field[index].hexValue,
                let low = field[index + 1].hexValue
            else {
                out.append(byte)
                continue
            }
            out.append(high << 4 | low)
            index += 2
        }
        return out
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? value &+ 0x30 : value &+ 0x37 }
}
