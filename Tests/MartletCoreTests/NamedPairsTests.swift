import MartletCore
import Testing

@Suite("Parts of queries and cookies")
struct NamedPairsTests {
    private func parts(_ text: String, _ form: NamedPairs.Form, from start: Int = 0) -> [String] {
        let list = Array(text.utf8)
        var pairs = NamedPairs(form, from: start)
        var found: [String] = []
        while let pair = pairs.next(in: list.span) {
            func part(_ range: Range<Int>) -> String { String(decoding: list[range], as: UTF8.self) }
            found.append("\(part(pair.whole)):\(part(pair.name)):\(pair.value.map(part) ?? "-")")
        }
        return found
    }

    @Test(
        "A query",
        arguments: [
            ("", ["::-"]), ("a", ["a:a:-"]), ("a=1&b=2", ["a=1:a:1", "b=2:b:2"]), ("a=", ["a=:a:"]), ("=1", ["=1::1"]),
            ("a==1&&b", ["a==1:a:=1", "::-", "b:b:-"]), ("a&", ["a:a:-", "::-"]), (" a = 1 ", [" a = 1 : a : 1 "]),
        ])
    func query(_ text: String, _ expected: [String]) { #expect(parts(text, .query) == expected) }

    @Test(
        "A Cookie field",
        arguments: [
            ("a=1; b=2", ["a=1:a:1", "b=2:b:2"]), (" a = 1 ;\tb", ["a = 1:a:1", "b:b:-"]), (";", ["::-", "::-"]),
            ("a=b=c;", ["a=b=c:a:b=c", "::-"]), ("a&b=1", ["a&b=1:a&b:1"]),
        ])
    func cookies(_ text: String, _ expected: [String]) { #expect(parts(text, .cookies) == expected) }

    @Test("From a place on, also one behind the end")
    func start() {
        #expect(parts("/p?a=1&b", .query, from: 3) == ["a=1:a:1", "b:b:-"])
        #expect(parts("ab", .query, from: 2) == ["::-"])
        #expect(parts("ab", .query, from: 3).isEmpty)
    }

    @Test(
        "Cookies are taken out wherever they stand, and nothing else is touched",
        arguments: [
            (["a=1; b=2; a=3"], ["b=2"]), (["b=2"], ["b=2"]), (["a=1", "b=2;  c=3"], ["b=2;  c=3"]),
            (["aa=1;a = 2; ;c"], ["aa=1; c"]), (["a"], []),
        ] as [([String], [String])])
    func removal(_ fields: [String], _ left: [String]) {
        let headers = HeaderTable()
        for field in fields { headers.append(.cookie, field) }
        headers.removeCookies(named: [Array("a".utf8)])
        #expect((0..<headers.count).map { headers.value(at: $0).string() } == left)
    }

    @Test(
        "As a form reads it",
        arguments: [("a%62c", "abc"), ("a+b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz%41", "%zzA")])
    func form(_ text: String, _ meant: String) {
        let bytes = Array(text.utf8)
        var read: [UInt8] = []
        bytes.span.forEachFormByte { read.append($0) }
        #expect(String(decoding: read, as: UTF8.self) == meant)
        let (right, longer) = (Array(meant.utf8), Array((meant + "x").utf8))
        #expect(bytes.span.isFormOf(right.span) && !bytes.span.isFormOf(longer.span))
    }
}
