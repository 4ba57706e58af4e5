public import MartletCore

/// How one kind of scalar is read: what is expected, and the reading.
///
/// A filter may make its own kind and read it with `ConfigSection.value(_:_:)`, as the built-in kinds are.
public struct ConfigScalar<Value> {
    /// Why a text is not a value: the message, and what to write instead.
    public struct Problem: Error {
        public var message: String
        public var hint: String?

        public init(_ message: String, hint: String? = nil) {
            self.message = message
            self.hint = hint
        }
    }

    /// What to write, as it stands after "expected": `a duration such as 250ms, 2s, 1m or 1h`.
    public var expected: String
    /// Whether a quoted text is read as well. Numbers and booleans in quotes are strings, and so a mistake.
    public var allowsQuotes: Bool
    public var parse: (String) -> Result<Value, Problem>

    public init(expected: String, allowsQuotes: Bool = true, parse: @escaping (String) -> Result<Value, Problem>) {
        self.expected = expected
        self.allowsQuotes = allowsQuotes
        self.parse = parse
    }

    /// The same kind with one more condition.
    public func checked(_ check: @escaping (Value) -> Problem?) -> ConfigScalar {
        ConfigScalar(expected: expected, allowsQuotes: allowsQuotes) { text in
            parse(text).flatMap { value in
                if let problem = check(value) { return .failure(problem) }
                return .success(value)
            }
        }
    }

    func mismatch(_ text: String) -> Result<Value, Problem> {
        .failure(Problem("\"\(text.prefix(60))\" is not \(expected)"))
    }
}

extension ConfigScalar where Value == String {
    public static var string: ConfigScalar {
        ConfigScalar(expected: "a string") { .success($0) }
    }

    /// A string that is not empty and holds no NUL, CR or LF.
    public static var name: ConfigScalar {
        string.checked { text in
            if text.isEmpty { return Problem("must not be empty") }
            return text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
                ? Problem("must not hold control characters") : nil
        }
    }

    /// A field value as RFC 9110 section 5.5 has it, without white space at its ends.
    public static var headerValue: ConfigScalar {
        string.checked { text in
            if text.utf8.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) {
                return Problem("a header's value must not hold control characters")
            }
            let isPadded = text.utf8.first.map(isBlank) ?? false || text.utf8.last.map(isBlank) ?? false
            return isPadded ? Problem("a header's value must not begin or end with white space") : nil
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension ConfigScalar where Value == Bool {
    public static var bool: ConfigScalar {
        ConfigScalar(expected: "true or false", allowsQuotes: false) { text in
            switch text {
            case "true": .success(true)
            case "false": .success(false)
            case "yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE":
                .failure(Problem("\"\(text)\" is not true or false", hint: "write: true"))
            case "no", "No", "NO", "off", "Off", "OFF", "False", "FALSE":
                .failure(Problem("\"\(text)\" is not true or false", hint: "write: false"))
            default: .failure(Problem("\"\(text.prefix(60))\" is not true or false"))
            }
        }
    }
}

extension ConfigScalar where Value == Int {
    public static func int(in bounds: ClosedRange<Int>) -> ConfigScalar {
        let kind = ConfigScalar(expected: "a whole number", allowsQuotes: false) { text in
            if let value = Int(text), text != "-0", !text.hasPrefix("+") { return .success(value) }
            let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
            if !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
                return .failure(outOfBounds(text, bounds))
            }
            return .failure(Problem("\"\(text.prefix(60))\" is not a whole number"))
        }
        return kind.checked { bounds.contains($0) ? nil : outOfBounds(String($0), bounds) }
    }

    private static func outOfBounds(_ text: String, _ bounds: ClosedRange<Int>) -> Problem {
        let low = bounds.lowerBound == .min ? nil : bounds.lowerBound
        let high = bounds.upperBound == .max ? nil : bounds.upperBound
        let expected =
            switch (low, high) {
            case (let low?, let high?): "\(low) to \(high)"
            case (let low?, nil): "\(low) or more"
            case (nil, let high?): "\(high) or less"
            case (nil, nil): "a number of 64 bits"
            }
        return Problem("\(text.prefix(40)) is out of bounds", hint: "expected \(expected)")
    }
}

extension ConfigScalar where Value == Double {
    public static func double(in bounds: ClosedRange<Double>) -> ConfigScalar {
        ConfigScalar(expected: "a number", allowsQuotes: false) { text in
            guard let value = DecimalText(text)?.value, value.isFinite else {
                return .failure(Problem("\"\(text.prefix(60))\" is not a number"))
            }
            guard bounds.contains(value) else {
                return .failure(
                    Problem(
                        "\(text.prefix(40)) is out of bounds",
                        hint: "expected \(bounds.lowerBound) to \(bounds.upperBound)"))
            }
            return .success(value)
        }
    }

    /// `20%` is 0.2.
    public static func percent(in bounds: ClosedRange<Double>) -> ConfigScalar {
        ConfigScalar(expected: "a percentage such as 20% or 0.5%") { text in
            guard text.hasSuffix("%"), let value = DecimalText(String(text.dropLast()))?.value, value.isFinite else {
                let hint = DecimalText(text).map { _ in "write: \(text)%" }
                return .failure(Problem("\"\(text.prefix(60))\" is not a percentage such as 20% or 0.5%", hint: hint))
            }
            let fraction = value / 100
            guard bounds.contains(fraction) else {
                let low = ConfigText.percent(bounds.lowerBound)
                return .failure(
                    Problem(
                        "\(text.prefix(40)) is out of bounds",
                        hint: "expected \(low) to \(ConfigText.percent(bounds.upperBound))"))
            }
            return .success(fraction)
        }
    }
}

extension ConfigScalar where Value == Duration {
    /// `250ms`, `2s`, `1.5s`, `1m`, `1h`; `0` needs no unit.
    public static func duration(in bounds: ClosedRange<Duration>) -> ConfigScalar {
        let expected = "a duration such as 250ms, 2s, 1m or 1h"
        return ConfigScalar(expected: expected) { text in
            let unitStart = text.utf8.firstIndex { !($0 >= 0x30 && $0 <= 0x39) && $0 != 0x2E } ?? text.endIndex
            let unit = String(text[unitStart...])
            guard let number = DecimalText(String(text[..<unitStart])) else {
                return .failure(Problem("\"\(text.prefix(60))\" is not \(expected)"))
            }
            if unit.isEmpty && number.value != 0 {
                return .failure(
                    Problem(
                        "\"\(text.prefix(60))\" has no unit", hint: "write \(text.prefix(20))s or \(text.prefix(20))ms")
                )
            }
            guard let scale = unit.isEmpty ? 1 : nanoseconds[unit] else {
                return .failure(
                    Problem("\"\(unit.prefix(20))\" is not a unit of time", hint: "units: us, ms, s, m, h, d"))
            }
            guard let count = number.scaled(by: scale) else {
                return .failure(Problem("\(text.prefix(40)) is too long"))
            }
            let value = Duration.nanoseconds(count)
            guard bounds.contains(value) else {
                let low = ConfigText.duration(bounds.lowerBound)
                return .failure(
                    Problem(
                        "\(text.prefix(40)) is out of bounds",
                        hint: "expected \(low) to \(ConfigText.duration(bounds.upperBound))"))
            }
            return .success(value)
        }
    }

    private static var nanoseconds: [String: Int64] {
        [
            "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
            "d": 86_400_000_000_000,
        ]
    }
}

extension ConfigScalar where Value == ByteCount {
    /// `512B`, `16KiB`, `1MiB`, `2GiB`; `0` needs no unit.
    public static func size(in bounds: ClosedRange<ByteCount>) -> ConfigScalar {
        let expected = "a size such as 512B, 16KiB or 1MiB"
        return ConfigScalar(expected: expected) { text in
            let unitStart = text.utf8.firstIndex { !($0 >= 0x30 && $0 <= 0x39) && $0 != 0x2E } ?? text.endIndex
            let unit = String(text[unitStart...])
            guard let number = DecimalText(String(text[..<unitStart])) else {
                return .failure(Problem("\"\(text.prefix(60))\" is not \(expected)"))
            }
            if unit.isEmpty && number.value != 0 {
                return .failure(
                    Problem(
                        "\"\(text.prefix(60))\" has no unit", hint: "write \(text.prefix(20))B or \(text.prefix(20))KiB"
                    ))
            }
            guard let scale = unit.isEmpty ? 1 : scales[unit] else {
                let near = ["k": "KiB", "kb": "KiB", "m": "MiB", "mb": "MiB", "g": "GiB", "gb": "GiB"][
                    unit.lowercased()]
                return .failure(
                    Problem(
                        "\"\(unit.prefix(20))\" is not a unit of size",
                        hint: near.map { "write: \(text[..<unitStart])\($0)" } ?? "units: B, KiB, MiB, GiB"))
            }
            guard let count = number.scaled(by: scale) else {
                return .failure(Problem("\(text.prefix(40)) is too large"))
            }
            let value = ByteCount(Int(count))
            guard bounds.contains(value) else {
                let low = ConfigText.size(bounds.lowerBound)
                return .failure(
                    Problem(
                        "\(text.prefix(40)) is out of bounds",
                        hint: "expected \(low) to \(ConfigText.size(bounds.upperBound))"))
            }
            return .success(value)
        }
    }

    private static var scales: [String: Int64] {
        ["B": 1, "KiB": 1024, "MiB": 1024 * 1024, "GiB": 1024 * 1024 * 1024]
    }
}

extension ConfigScalar where Value == HeaderName {
    public static var headerName: ConfigScalar {
        ConfigScalar(expected: "a header's name") { text in
            if let name = HeaderName(text) { return .success(name) }
            let hint =
                text.hasPrefix(":") ? "pseudo-headers cannot be named here" : "letters, digits and -_.!#$%&'*+^`|~"
            return .failure(Problem("\"\(text.prefix(60))\" is not a header's name", hint: hint))
        }
    }
}

extension ConfigScalar where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases, by raw value.
    public static var choice: ConfigScalar {
        let names = Value.allCases.map(\.rawValue)
        return ConfigScalar(expected: "one of \(names.joined(separator: ", "))") { text in
            if let value = Value(rawValue: text) { return .success(value) }
            let list = "valid: \(names.joined(separator: ", "))"
            let hint = NearestName.of(text, in: names).map { "did you mean \"\($0)\"? \(list)" } ?? list
            return .failure(Problem("\"\(text.prefix(60))\" is not known here", hint: hint))
        }
    }
}
