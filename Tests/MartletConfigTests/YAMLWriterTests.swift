import MartletConfig
import Testing

private func read(_ text: String) throws -> ConfigNode {
    let diagnostics = ConfigDiagnostics()
    let node = try #require(
        YAMLDocument.read(Array(text.utf8), file: "t", diagnostics: diagnostics), "\(diagnostics.errors)")
    #expect(!diagnostics.hasErrors)
    return node
}

/// Content alone.
private func shape(_ node: ConfigNode) -> String {
    switch node.content {
    case .null: "null"
    case .scalar(let text, let plain): plain ? "<\(text)>" : "\"\(text)\""
    case .list(let items): "[" + items.map(shape).joined(separator: ",") + "]"
    case .mapping(let entries): "{" + entries.map { "\($0.key):\(shape($0.value))" }.joined(separator: ",") + "}"
    }
}

@Suite("Configuration written as YAML")
struct YAMLWriterTests {
    @Test(
        "is read back as it was",
        arguments: [
            "a: 1", "a: '1'", "a: ~", "a: {}", "a: []", "a: [1, two, 'three', [4, {b: c}], {}]",
            "listeners: [{ name: public, filters: [router, { lua: { inline: \"function f()\\n  x()\\nend\\n\" } }] }]",
            "a: |\n  one\n    two\n\n  three\n", "a: |-\n  one\n  two", "a: |+\n  one\n\n\n", "a: \" lead\\nsecond\"",
            "a: \"\\ttab\\nsecond\"", "a: \"\\nfirst is empty\"", "a: \"one\\n   \\nthree\\n\"", "a: \"one\\n   \"",
            "a: \"\\u0000\\u0007\\x7f\\u202e\\ufeff\\\"\\\\\"",
            "\"a b\": 1\n\"\": 2\n\"1\": 3\n\"a: b\": 4\n\"#x\": 5".replacing("\"\": 2\n", with: ""),
            "a: 20%\nb: 10.0.0.0/8\nc: http://a/b#c\nd: -1\ne: 1.50\nf: 0x1F\ng: 007\nh: true\ni: 'off'\nj: off",
            "a: 'x: y'\nb: '- x'\nc: '#x'\nd: ''\ne: '[x'\nf: '*x'",
            "- 1\n- - 2\n  - 3\n- a: 1\n  b: 2\n-\n  - {c: [d]}\n",
            "a: \"line\\r\\nnext\"", "a: \"\\u2028x\\ny\"", "a: 日本\nb: \"🐦\\n🐦\\n\"", "a: plain over\n  two lines",
            "plain", "'text'",
            "a: &x {b: 1}\nc: *x", "a: \"x \\x26 y\\n?[1]:a \\x26b\"\n\"\\x26k\": 1",
        ])
    func trips(_ text: String) throws {
        let node = try read(text)
        let written = YAMLWriter.text(node)
        #expect(shape(try read(written)) == shape(node), "\(written)")
        #expect(YAMLWriter.text(try read(written)) == written)
    }

    @Test("A script stands as it was written")
    func block() throws {
        let node = try read("policies: [{ name: a, inline: \"function on_request(h)\\n  h:log('x')\\nend\\n\" }]")
        #expect(
            YAMLWriter.text(node) == """
                policies:
                  - name: a
                    inline: |
                      function on_request(h)
                        h:log('x')
                      end

                """)
    }

    @Test("Any text is read back", arguments: 0..<300)
    func random(_ seed: Int) throws {
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            " ", "\n", "\t", "a", ":", "#", "- ", "'", "\"", "\\", "{", "]", "&", "*", "!", "%", "@", "`", "é",
            "\u{85}", "\u{0}", "\r",
            "a\u{FEFF}", "\u{1F426}", "|", ">", "?", ",", "---", "...", "1", "~",
        ]
        let text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
            pieces.randomElement(using: &generator) ?? ""
        }.joined()
        let mark = ConfigMark(file: "t", line: 1, column: 1)
        let value = ConfigNode(.scalar(text, plain: false), mark: mark, path: .root)
        let key = text.isEmpty ? "k" : text
        let node = ConfigNode(
            .mapping([
                .init(key: key, keyMark: mark, value: ConfigNode(.list([value, value]), mark: mark, path: .root)),
                .init(key: "other" + key, keyMark: mark, value: value),
            ]), mark: mark, path: .root)
        #expect(shape(try read(YAMLWriter.text(node))) == shape(node), "\(text.debugDescription)")
    }
}
