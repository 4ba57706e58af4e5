package import MartletCore

/// `retry-after`: how long to wait before asking again (RFC 9110 section 10.2.3).
package enum RetryAfter {
    /// Seconds, or an HTTP date, which counts from `now`. Nil when it is neither.
    package static func wait(_ value: Span<UInt8>, now: WallClock) -> Nanoseconds? {
        if let seconds = value.decimal() { return .seconds(min(seconds, 1 << 32)) }
        guard let date = HTTPDate.seconds(value) else { return nil }
        let present = now.nanoseconds / 1_000_000_000
        return .seconds(date > present ? date - present : 0)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of RFC 9110 section 5.6.7 that is sent nowadays.
package enum HTTPDate {
    /// Seconds since 1970; nil when it is no such date, or before 1970.
    package static func seconds(_ text: Span<UInt8>) -> UInt64? {
        guard text.count == 29, text.extracting(25..<29).equals(" GMT"), text[3] == 0x2C, text[19] == 0x3A,
            text[22] == 0x3A,
            let day = number(text, 5, 2), let month = month(text.extracting(8..<11)), let year = number(text, 12, 4),
            let hour = number(text, 17, 2), let minute = number(text, 20, 2), let second = number(text, 23, 2),
            (1...31).contains(day), hour < 24, minute < 60, second < 61, year >= 1970
        else { return nil }
        let days = LogTime.days(year: year, month: month, day: day)
        return UInt64(days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    private static func number(_ text: Span<UInt8>, _ start: Int, _ count: Int) -> Int? {
        text.extracting(start..<(start + count)).decimal().map { Int($0) }
    }

    private static func month(_ name: Span<UInt8>) -> Int? {
        let names: [StaticString] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        return names.firstIndex { name.equals($0) }.map { $0 + 1 }
    }
}
