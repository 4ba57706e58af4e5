/// What became of a text, as `diff -u` shows it.
struct UnifiedDiff {
    private enum Line {
        case kept(Substring)
        case removed(Substring)
        case added(Substring)
    }

    private static let context = 3

    let text: String

    init(_ name: String, before: String?, after: String?) {
        let lines = Self.lines(before, after)
        var shown =
            "--- \(before == nil ? "/dev/null" : "\(name) (now)")\n+++ \(after == nil ? "/dev/null" : "\(name) (then)")\n"
        for range in Self.hunks(lines) { shown += Self.hunk(lines, range) }
        text = shown
    }

    private static func lines(_ before: String?, _ after: String?) -> [Line] {
        func split(_ text: String?) -> [Substring] {
            guard let text, !text.isEmpty else { return [] }
            return (text.hasSuffix("\n") ? text.dropLast() : text[...]).split(
                separator: "\n", omittingEmptySubsequences: false)
        }
        let (old, new) = (split(before), split(after))
        let difference = new.difference(from: old)
        var removed: Set<Int> = []
        var added: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var lines: [Line] = []
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, removed.contains(left) {
                lines.append(.removed(old[left]))
                left += 1
            } else if right < new.count, added.contains(right) {
                lines.append(.added(new[right]))
                right += 1
            } else {
                guard left < old.count else { break }
                lines.append(.kept(old[left]))
                left += 1
                right += 1
            }
        }
        return lines
    }

    /// The changed lines with what is around them, where that touches in one.
    private static func hunks(_ lines: [Line]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for (index, line) in lines.enumerated() {
            if case .kept = line { continue }
            let range = max(0, index - context)..<min(lines.count, index + context + 1)
            if let last = ranges.last, last.upperBound >= range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }

    private static func hunk(_ lines: [Line], _ range: Range<Int>) -> String {
        func count(_ lines: ArraySlice<Line>, _ old: Bool) -> Int {
            lines.count { line in
                switch line {
                case .kept: true
                case .removed: old
                case .added: !old
                }
            }
        }
        func span(_ old: Bool) -> String {
            let (before, inside) = (count(lines[..<range.lowerBound], old), count(lines[range], old))
            return "\(inside == 0 ? before : before + 1),\(inside)"
        }
        var text = "@@ -\(span(true)) +\(span(false)) @@\n"
        for line in lines[range] {
            switch line {
            case .kept(let line): text += " \(line)\n"
            case .removed(let line): text += "-\(line)\n"
            case .added(let line): text += "+\(line)\n"
            }
        }
        return text
    }
}
