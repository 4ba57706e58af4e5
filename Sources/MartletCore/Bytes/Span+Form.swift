extension Span where Element == UInt8 {
    /// Whether who reads this as a part of a form or a query reads `text`: `%64ebug` is `debug`, and a plus is a space. What is no
    /// escape stands for itself.
    package func isFormOf(_ text: Span<UInt8>) -> Bool {
        var index = 0
        var place = 0
        while index < count {
            guard place < text.count else { return false }
            var byte = self[index]
            if byte == 0x25, index + 2 < count, let high = self[index + 1].hexValue, let low = self[index + 2].hexValue
            {
                byte = high << 4 | low
                index += 2
            } else if byte == 0x2B {
                byte = 0x20
            }
            guard byte == text[place] else { return false }
            index += 1
            place += 1
        }
        return place == text.count
    }
}
