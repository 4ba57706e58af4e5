import MartletCore
import Testing

@Suite("Reading JSON")
struct JSONReaderTests {
    private func read(_ text: String) throws(JSONFault) -> JSONValue {
        let bytes = Array(text.utf8)
        return try JSONReader.read(bytes.span)
    }

    @Test(
        "values",
        arguments: [
            ("null", JSONValue.null), (" true ", .bool(true)), ("-0", .integer(0)), ("12", .integer(12)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.5e2", .number(150)), ("[]", .array([])),
            ("\"a\\u00e9\\ud83d\\ude00\\n\"", .string("aé😀\n")), ("{}", .object([])),
            (
                "{\"a\":[1,{\"b\":false}]}",
                .object([
                    JSONMember(
                        name: "a", value: .array([.integer(1), .object([JSONMember(name: "b", value: .bool(false))])]))
                ])
            ),
        ])
    func values(_ text: String, _ value: JSONValue) throws { #expect(try read(text) == value) }

    @Test(
        "what is refused",
        arguments: [
            "", " ", "nul", "truex", "01", "1.", "-", "1e", "+1", ".5", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}",
            "{a:1}", "\"", "\"\\x\"",
            "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\u{1}\"", "1 1", "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}", "1e999", "NaN",
        ])
    func refused(_ text: String) { #expect(throws: JSONFault.self) { try read(text) } }

    @Test("bytes that are not UTF-8, and nesting without end")
    func bytes() {
        let overlong: [UInt8] = [0x22, 0xC0, 0x80, 0x22]
        #expect(throws: JSONFault.self) { try JSONReader.read(overlong.span) }
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONFault.self) { try read(deep) }
        let fits = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(throws: Never.self) { try read(fits) }
    }

    @Test("every beginning of a text is refused and traps nowhere")
    func beginnings() {
        let text = Array("{\"a\":[1.5e-2,\"x\\u00e9\\ud83d\\ude00\",null,true,false,{\"b\":-1}]}".utf8)
        for end in 0..<text.count {
            let part = Array(text[..<end])
            #expect(throws: JSONFault.self, "\(end)") { try JSONReader.read(part.span) }
        }
    }
}
