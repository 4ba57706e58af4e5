public import MartletCore

/// Writes `date` as header fields have it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7), made once a second.
public struct DateField {
    private var second: UInt64 = .max
    /// 29 bytes: every part has the same length in every date.
    private var text = Array("Thu, 01 Jan 1970 00:00:00 GMT".utf8)

    private static let days = Array("ThuFriSatSunMonTueWed".utf8)
    private static let months = Array("JanFebMarAprMayJunJulAugSepOctNovDec".utf8)

    public init() {}

    /// Adds `date` to a response that has none. RFC 9110 section 6.6.1: who has a clock dates its own responses, and those it
    /// forwards that came without.
    public mutating func appendIfAbsent(to headers: HeaderTable, at time: WallClock) {
        guard headers.firstIndex(id: .date) == nil else { return }
        let seconds = time.nanoseconds / 1_000_000_000
        if seconds != second { render(seconds) }
        headers.append(.date, text.span)
    }

    private mutating func render(_ seconds: UInt64) {
        second = seconds
        let days = Int(seconds / 86_400)
        let (year, month, day) = LogTime.date(days: days)
        for index in 0..<3 {
            text[index] = Self.days[days % 7 * 3 + index]
            text[8 + index] = Self.months[(month - 1) * 3 + index]
        }
        put(UInt64(day), at: 5)
        put(UInt64(year) / 100, at: 12)
        put(UInt64(year) % 100, at: 14)
        put(seconds / 3600 % 24, at: 17)
        put(seconds / 60 % 60, at: 20)
        put(seconds % 60, at: 23)
    }

    private mutating func put(_ number: UInt64, at index: Int) {
        text[index] = 0x30 + UInt8(number / 10 % 10)
        text[index + 1] = 0x30 + UInt8(number % 10)
    }
}
