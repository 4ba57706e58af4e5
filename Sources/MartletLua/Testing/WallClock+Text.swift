internal import MartletConfig
internal import MartletCore

extension WallClock {
    /// The first moment of a year.
    init(year: Int) { self.init(days: Self.days(year, 1, 1), nanoseconds: 0) }

    private init(days: Int, nanoseconds: UInt64) {
        self.init(nanoseconds: UInt64(max(days, 0)) * 86_400_000_000_000 + nanoseconds)
    }

    /// `2026-01-31T12:00:00Z`, with or without a fraction of a second; UTC only.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") else { return nil }
        for (place, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] where bytes[place] != mark.utf8.first
        {
            return nil
        }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard byte.isDigit else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1970...2200).contains(year), (1...12).contains(month), day >= 1, day <= Self.length(of: month, in: year),
            hour < 24, minute < 60, second < 60
        else { return nil }
        var fraction: UInt64 = 0
        if bytes.count > 20 {
            let digits = bytes.count - 21
            guard bytes[19] == UInt8(ascii: "."), (1...9).contains(digits), let value = number(20..<20 + digits) else {
                return nil
            }
            fraction = (digits..<9).reduce(UInt64(value)) { value, _ in value * 10 }
        }
        let seconds = UInt64((hour * 60 + minute) * 60 + second)
        self.init(days: Self.days(year, month, day), nanoseconds: seconds * 1_000_000_000 + fraction)
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func length(of month: Int, in year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Days since 1970.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let years = (1970..<year).reduce(0) { $0 + (isLeap($1) ? 366 : 365) }
        return years + (1..<month).reduce(0) { $0 + length(of: $1, in: year) } + day - 1
    }
}

extension ConfigScalar where Value == WallClock {
    static var time: ConfigScalar {
        let expected = "a time in UTC such as 2026-01-31T12:00:00Z"
        return ConfigScalar(expected: expected) { text in
            WallClock(text).map { .success($0) } ?? .failure(Problem("\"\(text.prefix(60))\" is not \(expected)"))
        }
    }
}
