import Testing

@Suite("Lua: time")
struct TimeTests {
    @Test("ISO 8601")
    func iso8601() throws {
        let malformed = [
            "", "2024", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.0123456789Z",
            "2024-01-01T00:00:00Zx", "2024-01-01T00:00:00+1", "2024-01-01T00:00:00+25:00", "2024-01-01T00:00:00+01:60",
            "2024-1-1T00:00:00Z", "2024-01-01X00:00:00Z", "-024-01-01T00:00:00Z", "\\0", "2024-02-29\\0",
        ]
        try check(malformed.map { Case("time.parse_iso8601('\($0)')", "nil") })
        try check([
            Case("time.iso8601(0)", "1970-01-01T00:00:00.000Z"),
            Case("time.iso8601(1709210096789)", "2024-02-29T12:34:56.789Z"),
            Case("time.iso8601(-1), time.iso8601(-0.5)", "1969-12-31T23:59:59.999Z | 1969-12-31T23:59:59.999Z"),
            Case("time.iso8601(253402300799999)", "9999-12-31T23:59:59.999Z"),
            Case("time.iso8601(-62167219200000)", "0000-01-01T00:00:00.000Z"),
            Case("time.parse_iso8601('2024-02-29T12:34:56.789Z')", "1709210096789"),
            Case("time.parse_iso8601('2024-02-29T13:34:56+01:00')", "1709210096000"),
            Case("time.parse_iso8601('2024-02-29T12:04:56-00:30')", "1709210096000"),
            Case("time.parse_iso8601('2024-02-29 12:34:56.7z')", "1709210096700"),
            Case("time.parse_iso8601('1969-12-31T23:59:59.999999999Z')", "-1"),
            Case("time.parse_iso8601('2016-12-31T23:59:60Z') == time.parse_iso8601('2017-01-01T00:00:00Z')", "true"),
            Case("time.parse_iso8601('2000-02-29T00:00:00Z')", "951782400000"),
            Case("time.iso8601(1e300)", "!outside of years 0 to 9999"),
            Case("time.iso8601(0/0)", "!outside of years 0 to 9999"),
            Case("time.iso8601(253402300800000)", "!outside of years 0 to 9999"),
            Case("time.iso8601('x')", "!number expected"),
        ])
    }

    @Test("HTTP dates: the three forms of RFC 9110")
    func httpDates() throws {
        let malformed = [
            "", "Sun", "Sun,", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Xxx, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunda, 06-Nov-94 08:49:37 GMT",
            "Sun Nov 06 08:49:37", "Sun Nov 6 08:49:37 1994",
        ]
        try check(malformed.map { Case("time.parse_http_date('\($0)')", "nil") })
        try check([
            Case("time.http_date(784111777)", "Sun, 06 Nov 1994 08:49:37 GMT"),
            Case(
                "time.http_date(0), time.http_date(-1)", "Thu, 01 Jan 1970 00:00:00 GMT | Wed, 31 Dec 1969 23:59:59 GMT"
            ),
            Case("time.parse_http_date('Sun, 06 Nov 1994 08:49:37 GMT')", "784111777"),
            Case("time.parse_http_date('Sunday, 06-Nov-94 08:49:37 GMT')", "784111777"),
            Case("time.parse_http_date('Sun Nov  6 08:49:37 1994')", "784111777"),
            Case("time.parse_http_date('Wed Nov 16 08:49:37 1994')", "784975777"),
            Case("time.http_date(253402300800)", "!outside of years 0 to 9999"),
        ])
    }

    @Test("The clock, and random times there and back")
    func clock() throws {
        try check([
            Case("math.type(time.now()), math.type(time.now_ms())", "float | integer"),
            Case("time.now_ms() > 1700000000000, math.abs(time.now() * 1000 - time.now_ms()) < 60000", "true | true"),
            Case("#time.iso8601(), #time.http_date()", "24 | 29"),
            Case("math.abs(time.parse_http_date(time.http_date()) - time.now()) < 60", "true"),
            Case(
                """
                (function()
                  for i = 1, 3000 do
                    local t = math.random(-62167219200, 253402300799)
                    if time.parse_http_date(time.http_date(t)) ~= t then return t end
                    if time.parse_iso8601(time.iso8601(t * 1000 + 5)) ~= t * 1000 + 5 then return t end
                  end
                  return "same"
                end)()
                """, "same"),
        ])
    }
}
