package import MartletCore

/// An unsigned decimal number read exactly: `12`, `0.5`. No sign, no exponent, so nothing surprising is a number.
struct DecimalText {
    private let whole: Int64
    /// The digits after the point, as a number over `scale`.
    private let fraction: Int64
    private let scale: Int64

    init?(_ text: String) {
        let parts = text.utf8.split(separator: 0x2E, maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = Self.digits(first) else { return nil }
        self.whole = whole
        guard parts.count == 2 else {
            fraction = 0
            scale = 1
            return
        }
        guard parts[1].count <= 12, let fraction = Self.digits(parts[1]) else { return nil }
        self.fraction = fraction
        scale = parts[1].reduce(1) { scale, _ in scale * 10 }
    }

    private static func digits(_ bytes: Substring.UTF8View) -> Int64? {
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int64(Substring(bytes))
    }

    var value: Double { Double(whole) + Double(fraction) / Double(scale) }

    /// The number times `unit`, rounded down; nil when it does not fit.
    func scaled(by unit: Int64) -> Int64? {
        let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
        let part = (Double(fraction) / Double(scale) * Double(unit)).rounded()
        guard !overflow, part < 9e18 else { return nil }
        let (sum, carry) = product.addingReportingOverflow(Int64(part))
        return carry ? nil : sum
    }
}

/// Writes values the way the configuration spells them.
package enum ConfigText {
    package static func duration(_ value: Duration) -> String {
        let (seconds, attoseconds) = value.components
        let nanoseconds = attoseconds / 1_000_000_000
        if nanoseconds == 0 {
            if seconds == 0 { return "0" }
            for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] as [(String, Int64)]
            where seconds % length == 0 {
                return "\(seconds / length)\(unit)"
            }
            return "\(seconds)s"
        }
        // Beyond this no duration is read, and the products below would not fit.
        guard seconds < 1_000_000_000 else { return "\(seconds)s" }
        let total = seconds * 1_000_000_000 + nanoseconds
        if total % 1_000_000 == 0 { return "\(total / 1_000_000)ms" }
        return decimal(total, digits: 3) + "us"
    }

    /// `value` over 10 to the power of `digits`, without an exponent and zeros at the end.
    private static func decimal(_ value: Int64, digits: Int) -> String {
        let scale = (0..<digits).reduce(Int64(1)) { scale, _ in scale * 10 }
        guard value % scale != 0 else { return "\(value / scale)" }
        let fraction = String(scale + value % scale).dropFirst()
        return "\(value / scale).\(fraction.reversed().drop { $0 == "0" }.reversed().map(String.init).joined())"
    }

    package static func size(_ value: ByteCount) -> String {
        for (unit, length) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where value.bytes != 0 && value.bytes % length == 0 {
            return "\(value.bytes / length)\(unit)"
        }
        return value.bytes == 0 ? "0" : "\(value.bytes)B"
    }

    package static func percent(_ fraction: Double) -> String {
        let millionths = (fraction * 100_000_000).rounded()
        guard abs(millionths) < 1e15 else { return "\(fraction * 100)%" }
        return decimal(Int64(millionths), digits: 6) + "%"
    }
}
