internal import MartletCore

/// Headers that say who a request is from. Only the proxy sets them: what a client sends under their names is removed, whatever becomes
/// of the request otherwise, and in whatever spelling.
struct OwnHeaders: Sendable {
    private var names: [[UInt8]] = []
    /// Bit n: one of the names has n bytes; bit 63 is for all longer ones.
    private var lengths: UInt64 = 0

    init(_ names: [HeaderName]) {
        for name in names {
            let bytes = name.lowercased
            guard !contains(bytes.span) else { continue }
            self.names.append(bytes)
            lengths |= Self.bit(bytes.count)
        }
    }

    var isEmpty: Bool { names.isEmpty }

    func remove(from headers: HeaderTable) {
        guard !names.isEmpty else { return }
        var index = headers.count
        while index > 0 {
            index -= 1
            if contains(headers.name(at: index)) { headers.remove(at: index) }
        }
    }

    func contains(_ name: Span<UInt8>) -> Bool {
        guard lengths & Self.bit(name.count) != 0 else { return false }
        for own in names where name.isSpelling(of: own.span) { return true }
        return false
    }

    private static func bit(_ length: Int) -> UInt64 { 1 << UInt64(min(length, 63)) }
}
