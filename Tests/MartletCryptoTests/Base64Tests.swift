import MartletCrypto
import Testing

@Suite("Base64, read strictly")
struct Base64Tests {
    private func decode(_ text: String, _ alphabet: Base64.Alphabet) -> [UInt8]? {
        let bytes = Array(text.utf8)
        return Base64.decode(bytes.span, alphabet)
    }

    @Test(
        "RFC 4648 section 10, both ways",
        arguments: [
            ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"), ("fooba", "Zm9vYmE=", "Zm9vYmE"), ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
            ("\u{3}\u{7F}~\u{3E}", "A39+Pg==", "A39-Pg"),
        ])
    func vectors(plain: String, standard: String, url: String) {
        let bytes = Array(plain.utf8)
        #expect(Base64.encode(bytes.span, .standard) == Array(standard.utf8))
        #expect(Base64.encode(bytes.span, .url) == Array(url.utf8))
        #expect(decode(standard, .standard) == bytes)
        #expect(decode(url, .url) == bytes)
    }

    @Test(
        "what has another reading is refused",
        arguments: [
            "Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v\n", " Zm9v", "Zm9v.", "Zm9vY", "Zm9vYh", "Zé",
        ])
    func url(_ text: String) { #expect(decode(text, .url) == nil) }

    @Test(
        "and in the padded alphabet",
        arguments: ["Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=Zg=", "====", "Zg==Zg==", "Zm-v", "Zm_v", "Zm9v ", "Z==="])
    func standard(_ text: String) { #expect(decode(text, .standard) == nil) }
}
