/// `2026-01-31T12:34:56.789Z`, with the part down to the second made once a second.
package struct LogTime {
    private var second: UInt64 = .max
    private var text = LineBuffer()

    package init() {}

    package mutating func append(_ time: WallClock, to line: inout LineBuffer) {
        let seconds = time.nanoseconds / 1_000_000_000
        if seconds != second { render(seconds) }
        for byte in text.bytes { line.append(byte) }
        line.append(0x2E)
        line.append(number: time.nanoseconds / 1_000_000 % 1000, width: 3)
        line.append(0x5A)
    }

    private mutating func render(_ seconds: UInt64) {
        second = seconds
        text.removeAll()
        let (year, month, day) = Self.date(days: Int(seconds / 86_400))
        text.append(number: UInt64(year), width: 4)
        text.append(0x2D)
        text.append(number: UInt64(month), width: 2)
        text.append(0x2D)
        text.append(number: UInt64(day), width: 2)
        text.append(0x54)
        text.append(number: seconds / 3600 % 24, width: 2)
        text.append(0x3A)
        text.append(number: seconds / 60 % 60, width: 2)
        text.append(0x3A)
        text.append(number: seconds % 60, width: 2)
    }

    /// The civil date of a day since 1970-01-01, in the proleptic Gregorian calendar: eras of 400 years, which all have
    /// 146,097 days, counted from 1 March so that the leap day is the last.
    package static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// Days from 1970-01-01 to a civil date: the inverse of `date(days:)`.
    package static func days(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
