package import MartletCore

/// What a client says it would rather have (RFC 9110 section 12.5.1), as far as text and JSON are the question.
package enum Accept {
    /// Most bytes of `accept` that are looked at, and most ranges.
    private static let maxBytes = 2048
    private static let maxRanges = 64

    /// JSON is named, and its weight is not below that of plain text. Those who take anything get text.
    package static func prefersJSON(_ headers: HeaderTable) -> Bool {
        var json = 0
        var text: (weight: Int, rank: Int) = (0, 0)
        var ranges = 0
        var index = headers.firstIndex(of: .accept)
        while let place = index {
            let value = headers.value(at: place)
            guard value.count <= maxBytes else { return false }
            var start = 0
            while start < value.count, ranges < maxRanges {
                let end = value.firstIndex(of: 0x2C, from: start) ?? value.count
                let item = value.extracting(start..<end)
                let range = range(item)
                let weight = weight(item)
                // A more specific range counts before a wider one.
                let rank =
                    range.equalsIgnoringCase("text/plain")
                    ? 3
                    : range.equalsIgnoringCase("text/*")
                        ? 2
                        : range.equalsIgnoringCase("*/*") ? 1 : 0
                if rank > text.rank { text = (weight, rank) }
                if range.equalsIgnoringCase("application/json") || isJSON(range) {
                    json = max(json, weight)
                }
                ranges += 1
                start = end + 1
            }
            index = headers.firstIndex(of: .accept, from: place + 1)
        }
        return json > 0 && json >= text.weight
    }

    /// `application/problem+json` and their like.
    private static func isJSON(_ range: Span<UInt8>) -> Bool {
        range.count > 5 && range.extracting((range.count - 5)..<range.count).equalsIgnoringCase("+json")
    }

    /// The range without its parameters.
    @_lifetime(copy item)
    private static func range(_ item: Span<UInt8>) -> Span<UInt8> {
        item.extracting(0..<(item.firstIndex(of: 0x3B) ?? item.count)).trimmed()
    }

    /// In thousandths.
    private static func weight(_ item: Span<UInt8>) -> Int {
        var start = item.firstIndex(of: 0x3B).map { $0 + 1 } ?? item.count
        while start < item.count {
            let end = item.firstIndex(of: 0x3B, from: start) ?? item.count
            let parameter = item.extracting(start..<end).trimmed()
            if parameter.count >= 3, parameter[0] == 0x71 || parameter[0] == 0x51, parameter[1] == 0x3D {
                return thousandths(parameter.extracting(2..<parameter.count))
            }
            start = end + 1
        }
        return 1000
    }

    /// `1`, `0.5`, `0.001`. What is no weight is none.
    private static func thousandths(_ text: Span<UInt8>) -> Int {
        guard text.count <= 5, text[0] == 0x30 || text[0] == 0x31 else { return 0 }
        var value = text[0] == 0x31 ? 1000 : 0
        guard text.count > 1 else { return value }
        guard text[1] == 0x2E else { return 0 }
        var scale = 100
        var index = 2
        while index < text.count {
            guard text[index].isDigit else { return 0 }
            value += Int(text[index] - 0x30) * scale
            scale /= 10
            index += 1
        }
        return min(value, 1000)
    }
}
