internal import MartletConfig
internal import Testing

private func read(_ bytes: [UInt8]) -> (node: ConfigNode?, errors: [String]) {
    let diagnostics = ConfigDiagnostics()
    let node = YAMLDocument.read(bytes, file: "y", diagnostics: diagnostics)
    return (node, diagnostics.errors.map(\.description))
}

private func read(_ text: String) -> (node: ConfigNode?, errors: [String]) { read(Array(text.utf8)) }

@Suite struct YAMLTests {
    @Test func everyValueKnowsItsPlace() throws {
        let root = try #require(read("a:\n  - b: 1\n    c: [x, 'y']\n").node)
        let list = try #require(root["a"]?.items?.first?["c"]?.items)
        #expect(list.map(\.mark.description) == ["y:3:9", "y:3:12"])
        #expect(list.map(\.path.description) == ["a[0].c[0]", "a[0].c[1]"])
    }

    @Test func linesEndAsOnAnySystem() throws {
        for end in ["\n", "\r\n", "\r"] {
            let root = try #require(read("a: 1\(end)b: 2\(end)").node)
            #expect(root["b"]?.mark.description == "y:2:4")
        }
    }

    @Test func byteOrderMarkIsNoText() throws {
        let root = try #require(read([0xEF, 0xBB, 0xBF] + Array("a: 1".utf8)).node)
        #expect(root["a"]?.text == "1")
        #expect(root["a"]?.mark.column == 4)
    }

    @Test func quotedWordsAreStrings() throws {
        let root = try #require(read("a: ~\nb: '~'\nc:\nd: null\ne: ''").node)
        #expect(["a", "c", "d"].allSatisfy { root[$0]?.isNull == true })
        #expect(root["b"]?.text == "~")
        #expect(root["e"]?.text == "")
    }

    @Test(arguments: [
        (
            [UInt8]("a: \u{1}".utf8),
            "y:1:4: error: the character U+1 cannot stand in YAML (in a double-quoted string write an escape)"
        ),
        (
            Array("a: 1\nbc\u{0}".utf8),
            "y:2:3: error: the character U+0 cannot stand in YAML (in a double-quoted string write an escape)"
        ),
        (
            Array("ä: \u{2028}".utf8),
            "y:1:4: error: the character U+2028 cannot stand in YAML (in a double-quoted string write an escape)"
        ),
        (Array("a: 1\nbä".utf8) + [0xFF], "y:2:3: error: not UTF-8 (save the file as UTF-8)"),
        ([0xFF, 0xFE, 0x61, 0x00], "y:1:1: error: not UTF-8 (save the file as UTF-8)"),
        ([0x61, 0xE2, 0x82], "y:1:2: error: not UTF-8 (save the file as UTF-8)"),
    ])
    func refusesBytes(_ bytes: [UInt8], _ error: String) {
        #expect(read(bytes).errors == [error])
    }

    @Test func everyDuplicateKeyIsReported() {
        let text = "a: 1\nb: { c: 1, \"c\": 2, c: 3 }\na: 2\nd: { e: 1, e: 1 }\n"
        #expect(
            read(text).errors == [
                "y:2:12: error: b.c: duplicate key \"c\" (first written on line 2)",
                "y:2:20: error: b.c: duplicate key \"c\" (first written on line 2)",
                "y:3:1: error: a: duplicate key \"a\" (first written on line 1)",
                "y:4:12: error: d.e: duplicate key \"e\" (first written on line 4)",
            ])
    }

    @Test func aDuplicateHidesNothingElse() {
        #expect(
            read("{ a: 1, a: 2, ? [x] : 1 }").errors == [
                "y:1:9: error: a: duplicate key \"a\" (first written on line 1)",
                "y:1:17: error: a key must be a word (write `name: value`)",
            ])
    }

    @Test func countlessDuplicatesEndInAnError() {
        let text = (0..<500).map { "k\($0): 1\nk\($0): 2\n" }.joined()
        let (node, errors) = read(text)
        #expect(node == nil)
        #expect(errors.count == 1)
        #expect(errors.first?.contains("duplicate key") == true)
    }

    @Test func aliasesStandForTheirValue() throws {
        let root = try #require(read("base: &limits { max: 1 }\nuse: [*limits, *limits]").node)
        #expect(root["use"]?.items?.map { $0["max"]?.text } == ["1", "1"])
        // Where it was written, not where it is used: that is the line to edit.
        #expect(root["use"]?.items?.last?["max"]?.mark.description == "y:1:22")
    }

    @Test func dashesInQuotesMakeNoAnchors() throws {
        let root = try #require(read("a: \"/s?q=true--&page=1\"\nb: \"/a??x\"\nc: [x-*y, z-?]\n").node)
        #expect(root["b"]?.text == "/a??x")
        // A dash and a blank open an item, whose anchor is one.
        #expect(read("- &a [x]\n- ? *a\n  : 1\n").node == nil)
    }

    @Test func anAliasBombIsRefusedAtOnce() {
        var text = "l0: &l0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<30 {
            let aliases = [String](repeating: "*l\(level - 1)", count: 9).joined(separator: ", ")
            text += "l\(level): &l\(level) [\(aliases)]\n"
        }
        let (node, errors) = read(text)
        #expect(node == nil)
        #expect(errors.count == 1)
        #expect(errors.first?.contains("values, aliases expanded") == true)
    }

    @Test(arguments: ["*l: 1", "? *l\n: 1", "? [*l]\n: 1", "[*l]: 1", "{ *l : 1 }", "{ [*l] : 1 }"])
    func anAliasIsNoKey(_ key: String) {
        #expect(read("a: &l x\nb:\n  \(key.split(separator: "\n").joined(separator: "\n  "))\n").node == nil)
    }

    @Test(arguments: [100, 2000, 100_000])
    func deepNestingIsRefused(_ depth: Int) {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
            let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
            let errors = read(text).errors
            #expect(errors.count == 1)
        }
    }

    @Test func aChainOfAnchorsIsRefused() {
        var text = "a0: &a0 [x]\n"
        for level in 1..<20_000 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(read(text).errors == ["y:1:1: error: more than 64 anchors"])
        #expect(read(text + "\"").node == nil)
    }

    @Test func deepNestingBetweenAnchorsIsRefused() {
        var text = "a0: &a0 [x]\n"
        for level in 1..<60 {
            text += "a\(level): &a\(level) \(String(repeating: "[", count: 900))*a\(level - 1)"
            text += String(repeating: "]", count: 900) + "\n"
        }
        #expect(read(text).errors == ["y:2:1: error: nested more than 64 deep"])
    }

    @Test func aHugeFileIsRefused() {
        let bytes = [UInt8](repeating: 0x20, count: ConfigFile.maxConfiguration + 1)
        #expect(read(bytes).errors == ["y:1:1: error: larger than 64 MiB"])
    }

    @Test func messagesStayOnOneLine() {
        let decoded = Decoded("\"a\\nb\\e[2J\": 1\nlisteners: \"\\u202e\"")
        #expect(decoded.errors.count == 2)
        #expect(
            decoded.errors.allSatisfy { error in error.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F }
            })
    }
}
