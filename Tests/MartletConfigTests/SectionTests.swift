internal import MartletConfig
internal import MartletCore
internal import Testing

/// Settings as the writer of a filter would read them.
private struct Settings {
    enum Mode: String, CaseIterable { case strict, lenient }

    var requests: Int
    var per: Duration
    var mode: Mode
    var key: String?
    var share: Double
    var header: HeaderName?
    var names: [String]
    var tags: [(key: String, value: String)]
    var delay: Duration?
    var rules: [Int]

    init(_ section: ConfigSection) {
        requests = section.int(required: "requests", in: 1...1000)
        per = section.duration("per", default: .seconds(1), in: .milliseconds(1) ... .seconds(3600))
        mode = section.choice("mode", default: .strict)
        key = section.string("key")
        share = section.percent("share", default: 1)
        header = section.headerName("header")
        names = section.oneOrMore("names", .name)
        tags = section.stringMap("tags")
        delay = section.section("delay").map { $0.duration(required: "duration") }
        rules = section.sections("rules").map { $0.int(required: "id", in: 0...9) }
    }
}

private func decode(_ text: String) throws -> (settings: Settings, errors: [String]) {
    let diagnostics = ConfigDiagnostics()
    let node = try #require(YAMLDocument.read(Array(text.utf8), file: "s", diagnostics: diagnostics))
    let section = ConfigSection(node, diagnostics: diagnostics)
    let settings = Settings(section)
    section.finish()
    return (settings, diagnostics.errors.map(\.description))
}

@Suite struct SectionTests {
    @Test func readsWhatIsWritten() throws {
        let (settings, errors) = try decode(
            """
            requests: 5
            per: 2s
            mode: lenient
            key: "1"
            share: 5%
            header: X-Team
            names: [a, b]
            tags: { x: 1, y: two }
            delay: { duration: 5ms }
            rules: [{ id: 1 }, { id: 2 }]
            """)
        #expect(errors == [])
        #expect(settings.requests == 5)
        #expect(settings.per == .seconds(2))
        #expect(settings.mode == .lenient)
        #expect(settings.key == "1")
        #expect(settings.share == 0.05)
        #expect(settings.header?.description == "x-team")
        #expect(settings.names == ["a", "b"])
        #expect(settings.tags.map { "\($0.key)=\($0.value)" } == ["x=1", "y=two"])
        #expect(settings.delay == .milliseconds(5))
        #expect(settings.rules == [1, 2])
    }

    @Test func fillsInDefaults() throws {
        let (settings, errors) = try decode("requests: 5")
        #expect(errors == [])
        #expect(settings.per == .seconds(1))
        #expect(settings.mode == .strict)
        #expect(settings.key == nil)
        #expect(settings.share == 1)
        #expect(settings.names == [])
        #expect(settings.delay == nil)
    }

    @Test func goesOnAfterAMistake() throws {
        let (settings, errors) = try decode(
            "{ requests: x, per: 1, mode: strikt, share: 1, names: a, delay: { duratoin: 1s }, rules: [{}, 3], kee: a }"
        )
        #expect(
            errors == [
                #"s:1:13: error: requests: "x" is not a whole number"#,
                #"s:1:21: error: per: "1" has no unit (write 1s or 1ms)"#,
                #"s:1:30: error: mode: "strikt" is not known here (did you mean "strict"? valid: strict, lenient)"#,
                #"s:1:45: error: share: "1" is not a percentage such as 20% or 0.5% (write: 1%)"#,
                #"s:1:67: error: delay.duratoin: unknown key "duratoin" (did you mean "duration"?)"#,
                #"s:1:91: error: rules[0]: "id" is required (expected a whole number)"#,
                #"s:1:95: error: rules[1]: expected a mapping, found "3" (write keys as `name: value`)"#,
                #"s:1:99: error: kee: unknown key "kee" (did you mean "key"?)"#,
            ])
        #expect(settings.names == ["a"])
        #expect(settings.requests == 1)
        #expect(settings.per == .seconds(1))
    }

    @Test func aSectionOfNothingIsEmpty() throws {
        let (_, errors) = try decode("~")
        #expect(errors == [#"s:1:1: error: "requests" is required (expected a whole number)"#])
    }

    @Test func aFilterReportsAtItsOwnKeys() throws {
        let diagnostics = ConfigDiagnostics()
        let node = try #require(
            YAMLDocument.read(Array("a: 1\nb: 2\nc: { d: 3 }".utf8), file: "s", diagnostics: diagnostics))
        let section = ConfigSection(node, diagnostics: diagnostics)
        section.error(at: "b", "is more than a")
        section.error(at: "z", "is not there")
        section.warning(at: "a", "is small", hint: "write 2")
        section.oneOf(["b", "a"])
        section.section("c")?.missing("e")
        #expect(
            diagnostics.errors.map(\.description) == [
                "s:1:1: error: z: is not there",
                #"s:2:4: error: b: "a" and "b" exclude each other (keep one)"#,
                "s:2:4: error: b: is more than a",
                #"s:3:4: error: c: "e" is required"#,
            ])
        #expect(diagnostics.warnings.map(\.description) == ["s:1:4: warning: a: is small (write 2)"])
    }

    @Test func headersMayHaveSeveralValues() throws {
        let diagnostics = ConfigDiagnostics()
        let text = "add: { Set-Cookie: [a, b], x-one: 1, X-One: 2, 'a b': c, x-bad: ' c' }"
        let node = try #require(YAMLDocument.read(Array(text.utf8), file: "s", diagnostics: diagnostics))
        let headers = ConfigSection(node, diagnostics: diagnostics).headers("add")
        #expect(headers.map { "\($0.name)=\($0.value)" } == ["set-cookie=a", "set-cookie=b", "x-one=1", "x-one=2"])
        #expect(
            diagnostics.errors.map(\.message) == [
                #"header "x-one" twice"#, #""a b" is not a header's name"#,
                "a header's value must not begin or end with white space",
            ])
    }

    @Test func errorsBeyondALimitAreCounted() {
        let diagnostics = ConfigDiagnostics()
        for line in 1...1500 {
            diagnostics.add(
                ConfigError(mark: ConfigMark(file: "s", line: line, column: 1), path: "", message: "wrong"))
        }
        #expect(diagnostics.errors.count == 1000)
        #expect(diagnostics.report.hasSuffix("... and 500 more"))
    }
}
