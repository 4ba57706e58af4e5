/// The parts of a query (`a=1&b=2`) or of a Cookie field (`a=1; b=2`, RFC 6265 section 4.2), one after the other, where they
/// stand. Empty parts count.
package struct NamedPairs {
    package enum Form { case query, cookies }

    package struct Pair {
        /// Name, sign and value; of a cookie without the blanks around it.
        package let whole: Range<Int>
        package let name: Range<Int>
        /// Nil without an equals sign.
        package let value: Range<Int>?
    }

    private let form: Form
    /// Where the next part begins; beyond the end when there is none.
    private var start: Int

    /// - Parameter start: where the first part begins.
    package init(_ form: Form, from start: Int = 0) {
        self.form = form
        self.start = start
    }

    /// `list` is the same each time.
    package mutating func next(in list: Span<UInt8>) -> Pair? {
        guard start <= list.count else { return nil }
        let end = list.firstIndex(of: form == .query ? 0x26 : 0x3B, from: start) ?? list.count
        defer { start = end + 1 }
        let whole = trimmed(start..<end, list)
        guard let equals = list.firstIndex(of: 0x3D, from: whole.lowerBound), equals < whole.upperBound else {
            return Pair(whole: whole, name: whole, value: nil)
        }
        return Pair(
            whole: whole, name: trimmed(whole.lowerBound..<equals, list),
            value: trimmed((equals + 1)..<whole.upperBound, list))
    }

    private func trimmed(_ range: Range<Int>, _ list: Span<UInt8>) -> Range<Int> {
        guard form == .cookies else { return range }
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, Self.isBlank(list[start]) { start += 1 }
        while end > start, Self.isBlank(list[end - 1]) { end -= 1 }
        return start..<end
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension HeaderTable {
    /// Takes the cookies of these names out of every Cookie field, and a field that is empty then.
    package func removeCookies(named names: [[UInt8]]) {
        var next = firstIndex(of: .cookie)
        while let index = next {
            var from = index + 1
            if let rest = Self.cookies(value(at: index), without: names) {
                if rest.isEmpty {
                    remove(at: index)
                    from = index
                } else {
                    replaceValue(at: index, rest.span)
                }
            }
            next = firstIndex(of: .cookie, from: from)
        }
    }

    /// Nil when none of them is there: then nothing is copied.
    private static func cookies(_ line: Span<UInt8>, without names: [[UInt8]]) -> [UInt8]? {
        func goes(_ pair: NamedPairs.Pair) -> Bool {
            let name = line.extracting(pair.name)
            return names.contains { name.equals($0.span) }
        }
        var pairs = NamedPairs(.cookies)
        var isChanged = false
        while !isChanged, let pair = pairs.next(in: line) { isChanged = goes(pair) }
        guard isChanged else { return nil }
        var kept: [UInt8] = []
        pairs = NamedPairs(.cookies)
        while let pair = pairs.next(in: line) {
            guard !pair.whole.isEmpty, !goes(pair) else { continue }
            if !kept.isEmpty { kept += [0x3B, 0x20] }
            kept += line.extracting(pair.whole).array()
        }
        return kept
    }
}
