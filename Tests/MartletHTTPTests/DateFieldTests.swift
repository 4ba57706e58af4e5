import MartletCore
import MartletHTTP
import Testing

@Suite("Dates of responses")
struct DateFieldTests {
    @Test(
        "As RFC 9110 section 5.6.7 writes them",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"), (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ] as [(UInt64, String)])
    func text(seconds: UInt64, expected: String) {
        var date = DateField()
        let before = HeaderTable()
        let headers = HeaderTable()
        // The text of another second must leave nothing behind.
        date.appendIfAbsent(to: before, at: WallClock(nanoseconds: (seconds &+ 59) &* 1_000_000_000))
        date.appendIfAbsent(to: headers, at: WallClock(nanoseconds: seconds &* 1_000_000_000 &+ 999_999_999))
        #expect(headers.first(.date)?.string() == expected)
        #expect(before.first(.date)?.string() != expected)
    }

    @Test("A date that is there stays")
    func kept() {
        let headers = HeaderTable()
        var date = DateField()
        date.appendIfAbsent(to: headers, at: WallClock(nanoseconds: 0))
        date.appendIfAbsent(to: headers, at: WallClock.now())
        #expect(headers.count == 1)
        #expect(headers.first(.date)?.string() == "Thu, 01 Jan 1970 00:00:00 GMT")
    }
}
