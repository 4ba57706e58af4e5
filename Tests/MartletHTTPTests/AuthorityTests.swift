import MartletHTTP
import Testing

@Suite("RFC 3986 section 3.2: authorities")
struct AuthorityTests {
    @Test(
        "Hosts and ports",
        arguments: [
            "a", "a.b-c.example", "a_b", "a.", "xn--a", "1.2.3.4", "a:1", "a:65535", "[::]", "[::1]:80", "[1::]",
            "[1:2:3:4:5:6:7:8]", "[1:2:3::7:8]", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]", "[fe80::ABCD]",
        ])
    func valid(text: String) {
        let isValid = Authority.isValid(text.utf8Span.span)
        #expect(isValid)
    }

    @Test(
        "Junk",
        arguments: [
            "", ".", "..", "a..b", ".a", "-", "-_.", "a b", "a@b", "a/b", "a\\b", "a%41", "ä", "a:", "a:0", "a:65536",
            "a:1x",
            "a:1:2", ":80", "[]", "[:]", "[::", "[::1", "[::::::]", "[:.:]", "[1::2::3]", "[12345::]", "[12345::99999]",
            "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4::5:6:7:8]", "[:1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8:]",
            "[1:]",
            "[::1.2.3]", "[::1.2.3.256]", "[::1.2.3.4:1]", "[g::]", "[::1]a", "[::1]:", "[::1%25eth0]", "[v1.a]",
        ])
    func invalid(text: String) {
        let isValid = Authority.isValid(text.utf8Span.span)
        #expect(!isValid)
    }
}
