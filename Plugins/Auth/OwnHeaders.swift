internal import MartletCore

/// Headers that say who a request is from. Only the proxy sets them: what a client sends under their names is removed, whatever becomes
/// of the request otherwise.
///
/// An underscore counts as a hyphen, because many servers (CGI, WSGI, PHP) cannot tell the two apart.
struct OwnHeaders: Sendable {
    private var names: [[UInt8]] = []
    /// Bit n: one of the names has n bytes; bit 63 is for all longer ones.
    private var lengths: UInt64 = 0

    init(_ names: [HeaderName]) {
        for name in names {
            let folded = name.lowercased.map { $0 == 0x5F ? 0x2D : $0 }
            guard !self.names.contains(folded) else { continue }
            self.names.append(folded)
            lengths |= Self.bit(folded.count)
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
        for own in names where own.count == name.count {
            var index = 0
            while index < own.count, own[index] == Self.folded(name[index]) { index += 1 }
            if index == own.count { return true }
        }
        return false
    }

    private static func bit(_ length: Int) -> UInt64 { 1 << UInt64(min(length, 63)) }
    private static func folded(_ byte: UInt8) -> UInt8 { byte == 0x5F ? 0x2D : byte.lowercasedASCII }
}
