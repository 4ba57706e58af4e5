/// An IP address, or the text of one. Of IPv4 the IPv4-mapped form counts (RFC 4291 section 2.5.5.2), so that one client has
/// one address however its socket writes it.
public struct IPAddress: Sendable, Hashable {
    /// In the order of the bits on the wire.
    public let bits: UInt128
    /// Of an IPv4 address, mapped or not.
    public var isIPv4: Bool { bits >> 32 == 0xFFFF }

    static let mapped: UInt128 = 0xFFFF_0000_0000

    public init?(_ text: String) { self.init(text.utf8Span.span) }

    /// `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`; no brackets, zone or port.
    public init?(_ text: Span<UInt8>) {
        if text.firstIndex(of: 0x3A) == nil {
            guard let four = Self.ipv4(text) else { return nil }
            bits = Self.mapped | UInt128(four)
        } else {
            guard let six = Self.ipv6(text) else { return nil }
            bits = six
        }
    }

    private static func ipv4(_ text: Span<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        var parts = 0
        var index = 0
        while index <= text.count {
            let end = text.firstIndex(of: 0x2E, from: index) ?? text.count
            let part = text.extracting(index..<end)
            // What some read as octal is no number here.
            guard part.count <= 3, !(part.count > 1 && part[0] == 0x30), let byte = part.decimal(), byte <= 255 else {
                return nil
            }
            value = value << 8 | UInt32(byte)
            parts += 1
            guard parts <= 4 else { return nil }
            index = end + 1
        }
        return parts == 4 ? value : nil
    }

    /// RFC 4291 section 2.2: up to eight groups, `::` once for those left out, the last two maybe as an IPv4 address.
    private static func ipv6(_ text: Span<UInt8>) -> UInt128? {
        var value: UInt128 = 0
        var groups = 0
        /// Groups before the `::`.
        var gap: Int?
        var index = 0
        while index < text.count {
            if text[index] == 0x3A {
                let isDouble = index + 1 < text.count && text[index + 1] == 0x3A
                // A colon alone stands between two groups only.
                guard isDouble ? gap == nil : groups > 0 && gap != groups && index + 1 < text.count else { return nil }
                if isDouble { gap = groups }
                index += isDouble ? 2 : 1
                continue
            }
            let end = text.firstIndex(of: 0x3A, from: index) ?? text.count
            let group = text.extracting(index..<end)
            if group.firstIndex(of: 0x2E) != nil {
                guard end == text.count, let four = ipv4(group) else { return nil }
                value = value << 32 | UInt128(four)
                groups += 2
            } else {
                guard group.count <= 4 else { return nil }
                var bits: UInt128 = 0
                for at in group.indices {
                    guard let digit = group[at].hexValue else { return nil }
                    bits = bits << 4 | UInt128(digit)
                }
                value = value << 16 | bits
                groups += 1
            }
            guard groups <= 8 else { return nil }
            index = end
        }
        guard let gap else { return groups == 8 ? value : nil }
        guard groups < 8 else { return nil }
        let behind = UInt128((groups - gap) * 16)
        let low = behind == 0 ? 0 : value & (UInt128.max >> (128 - behind))
        return behind == 0 ? value << UInt128((8 - groups) * 16) : (value >> behind) << UInt128((8 - gap) * 16) | low
    }
}

/// Addresses that share their first bits: `10.0.0.0/8`, `2001:db8::/32`, or one alone.
public struct IPPrefix: Sendable, Hashable {
    public let first: IPAddress
    public let last: IPAddress

    /// Why a text is no prefix.
    public enum Problem: Error, Equatable {
        case notAnAddress, badLength
        /// The address goes on behind the prefix: what was meant is not clear. `network` is what the prefix has.
        case longerThanPrefix(network: String)
    }

    public init(_ text: String) throws(Problem) {
        let slash = text.firstIndex(of: "/")
        guard let address = IPAddress(String(text[..<(slash ?? text.endIndex)])) else { throw .notAnAddress }
        let isDotted = !text.contains(":")
        let width = isDotted ? 32 : 128
        var length = width
        if let slash {
            let digits = text[text.index(after: slash)...]
            guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(digits), number <= width else {
                throw .badLength
            }
            length = number
        }
        let rest: UInt128 = length == 0 && !isDotted ? .max : (1 << UInt128(width - length)) - 1
        guard address.bits & rest == 0 else {
            throw .longerThanPrefix(network: "\(IPAddress(bits: address.bits & ~rest).text)/\(length)")
        }
        first = address
        last = IPAddress(bits: address.bits | rest)
    }

    /// `10.0.0.0/8`.
    public var text: String {
        let host = 128 - (last.bits ^ first.bits).leadingZeroBitCount
        return "\(first.text)/\(first.isIPv4 && host <= 32 ? 32 - host : 128 - host)"
    }
}

extension IPAddress {
    init(bits: UInt128) { self.bits = bits }

    /// Dotted for IPv4; otherwise all eight groups.
    public var text: String {
        if isIPv4 { return (0..<4).map { "\((bits >> UInt128(24 - 8 * $0)) & 0xFF)" }.joined(separator: ".") }
        return (0..<8).map { String((bits >> UInt128(112 - 16 * $0)) & 0xFFFF, radix: 16) }.joined(separator: ":")
    }
}

/// A set of prefixes, asked in the logarithm of their number.
public struct IPSet: Sendable {
    // Disjoint, ascending.
    private var ranges: [(first: UInt128, last: UInt128)] = []

    public init(_ prefixes: [IPPrefix]) {
        for prefix in prefixes.sorted(by: { $0.first.bits < $1.first.bits }) {
            if let present = ranges.last, prefix.first.bits <= present.last {
                ranges[ranges.count - 1].last = max(present.last, prefix.last.bits)
            } else {
                ranges.append((prefix.first.bits, prefix.last.bits))
            }
        }
    }

    public var isEmpty: Bool { ranges.isEmpty }

    public func contains(_ address: IPAddress) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].last < address.bits { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].first <= address.bits
    }
}
