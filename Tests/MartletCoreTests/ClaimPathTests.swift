import MartletCore
import Testing

@Suite("Paths to claims")
struct ClaimPathTests {
    private static let claims = """
        {"role":"a","realm":{"roles":"b","x.y":"c"},"https://id.example.com/role":"d","realm.roles":"e","a":{"b":null}}
        """

    @Test(
        "A whole name comes before a member of a member",
        arguments: [
            ("role", "a"), ("realm.roles", "e"), ("realm.x.y", "c"), ("https://id.example.com/role", "d"),
            ("realm.none", nil),
            ("none.roles", nil), ("role.x", nil), (".role", nil), ("role.", nil),
        ] as [(String, String?)])
    func lookup(_ text: String, _ value: String?) throws {
        let bytes = Array(Self.claims.utf8)
        let path = try #require(ClaimPath(text))
        #expect(path.value(in: try JSONReader.read(bytes.span))?.string == value)
    }

    @Test("A null is there; an empty path and one with too many dots are none")
    func edges() throws {
        let bytes = Array(Self.claims.utf8)
        #expect(ClaimPath("a.b")?.value(in: try JSONReader.read(bytes.span)) == .null)
        #expect(ClaimPath("") == nil)
        #expect(ClaimPath("a.b.c.d.e.f.g") != nil && ClaimPath("a.b.c.d.e.f.g.h") == nil)
    }
}
