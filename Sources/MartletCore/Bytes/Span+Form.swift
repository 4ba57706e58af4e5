extension Span where Element == UInt8 {
    /// The bytes that whoever reads this as a part of a form or a query reads: `%64ebug` is `debug`, and a plus is a space. What
    /// is no escape stands for itself.
    package func forEachFormByte(_ body: (UInt8) -> Void) {
        var index = 0
        while index < count { body(formByte(&index)) }
    }

    /// Whether it is read as `text`.
    package func isFormOf(_ text: Span<UInt8>) -> Bool {
        var index = 0
        var place = 0
        while index < count {
            guard place < text.count, formByte(&index) == text[place] else { return false }
            place += 1
        }
        return place == text.count
    }

    private func formByte(_ index: inout Int) -> UInt8 {
        let byte = self[index]
        index += 1
        if byte == 0x2B { return 0x20 }
        guard byte == 0x25, index + 1 < count, let high = self[index].hexValue, let low = self[index + 1].hexValue
        else {
            return byte
        }
        index += 2
        return high << 4 | low
    }
}
