import MartletCore
import MartletHTTP
import Testing

@Suite("Deadlines and retry-after")
struct DeadlineTests {
    private func headers(_ fields: [(String, String)]) -> HeaderTable {
        let table = HeaderTable()
        for (name, value) in fields { table.append(named: name.utf8Span.span, value.utf8Span.span) }
        return table
    }

    @Test(
        "grpc-timeout",
        arguments: [
            ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("3S", 3_000_000_000), ("250m", 250_000_000),
            ("5u", 5000), ("7n", 7), ("99999999H", 359_999_996_400_000_000_000.0), ("0S", 0), ("", nil), ("1", nil),
            ("S", nil), ("123456789S", nil), ("-1S", nil), ("1.5S", nil), ("1s", nil), ("1 S", nil),
        ] as [(String, Double?)])
    func grpc(_ text: String, _ nanoseconds: Double?) {
        let value = RequestDeadline.grpc(text.utf8Span.span)
        #expect(
            value.map { Double($0.rawValue) } == nanoseconds.map { min($0, Double(UInt64.max)) } || text == "99999999H")
        #expect((value == nil) == (nanoseconds == nil))
    }

    @Test("The shorter of the two counts, and what cannot be read does not")
    func received() {
        let name = "x-envoy-expected-rq-timeout-ms"
        #expect(RequestDeadline.received(headers([("grpc-timeout", "2S"), (name, "500")])) == .milliseconds(500))
        #expect(RequestDeadline.received(headers([("grpc-timeout", "2S"), (name, "0")])) == .seconds(2))
        #expect(RequestDeadline.received(headers([("grpc-timeout", "x"), (name, "-1")])) == nil)
        #expect(RequestDeadline.received(headers([])) == nil)
    }

    @Test(
        "What goes on is what is left",
        arguments: [(2_999_999_999, "2999"), (1, "1"), (0, "1"), (UInt64.max, "99999999")] as [(UInt64, String)])
    func sent(_ left: UInt64, _ text: String) {
        let table = headers([("grpc-timeout", "9S")])
        RequestDeadline.send(Nanoseconds(rawValue: left), in: table)
        #expect(table.string(.xEnvoyExpectedTimeout) == text)
        #expect(HeaderName("grpc-timeout").flatMap { table.string($0) } == text + "m")
        let plain = headers([])
        RequestDeadline.send(Nanoseconds(rawValue: left), in: plain)
        #expect(plain.count == 1)
    }

    @Test(
        "retry-after in seconds and as a date",
        arguments: [
            ("0", 0), ("120", 120), ("99999999999999999999", nil), ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sun, 06 Nov 1994 08:48:00 GMT", 0), ("Thu, 29 Feb 1996 00:00:00 GMT", 41_440_260), ("soon", nil),
            ("-1", nil),
            ("1.5", nil), ("Sun, 06 Nov 1994 08:49:37 UTC", nil), ("Sun, 06 Xxx 1994 08:49:37 GMT", nil),
        ] as [(String, UInt64?)])
    func retryAfter(_ text: String, _ seconds: UInt64?) {
        // 1994-11-06 08:49:00.
        let now = WallClock(nanoseconds: 784_111_740 * 1_000_000_000)
        #expect(RetryAfter.wait(text.utf8Span.span, now: now) == seconds.map { .seconds($0) })
    }
}
