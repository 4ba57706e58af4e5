import Testing

@Suite("Lua: base64 and url")
struct URLTests {
    @Test("base64: the vectors of RFC 4648, both alphabets")
    func base64() throws {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        try check(
            vectors.flatMap { plain, text in
                let bare = text.filter { $0 != "=" }
                return [
                    Case("base64.encode('\(plain)'), base64.decode('\(text)')", "\(text) | \(plain)"),
                    Case("base64.encode_url('\(plain)'), base64.decode_url('\(bare)')", "\(bare) | \(plain)"),
                    Case("base64.decode_url('\(text)')", plain),
                    Case("handle:base64Escape('\(plain)'), handle:base64Decode('\(text)')", "\(text) | \(plain)"),
                ]
            })
        let malformed = [
            "Z", "Zg", "Zg=", "Zg===", "Zm9", "Zm9v=", "====", "=", "==", "Z=g=", "Zh==", "Zm9=", "Zm 9v", "Zm9v\\n",
            "Zm-_", "A===", "=A==", "AA=A", "Zm9\\0",
        ]
        try check(malformed.map { Case("base64.decode('\($0)'), handle:base64Decode('\($0)')", "nil | nil") })
        try check([
            Case("base64.encode('\\251\\255'), base64.encode_url('\\251\\255')", "+/8= | -_8"),
            Case("base64.decode_url('-_8=') == '\\251\\255', base64.decode_url('-_8') == '\\251\\255'", "true | true"),
            Case(
                "base64.decode_url('+/8='), base64.decode_url('-_8=='), base64.decode_url('-_9'), base64.decode_url('A')",
                "nil | nil | nil | nil"),
            Case("base64.encode(10 / 2)", "NQ=="),
            Case("base64.encode({})", "!string expected"),
        ])
    }

    @Test("base64: every length comes back")
    func base64Lengths() throws {
        try check([
            Case(
                """
                (function()
                  for size = 0, 1100 do
                    local bytes = crypto.random_bytes(size > 1024 and 1024 or size) .. string.rep("x", size - 1024)
                    if base64.decode(base64.encode(bytes)) ~= bytes then return size end
                    if base64.decode_url(base64.encode_url(bytes)) ~= bytes then return size end
                    if crypto.unhex(crypto.hex(bytes)) ~= bytes or url.unescape(url.escape(bytes)) ~= bytes then return size end
                  end
                  return "same"
                end)()
                """, "same")
        ])
    }

    @Test("url.parse: scheme | user | host | port | path | query | fragment")
    func parse() throws {
        let parts = [
            ("http://a/b?c#d", "http | nil | a | nil | /b | c | d"),
            ("HTTPS://u:p@EX.com:8443/%20?x=y?z", "https | u:p | ex.com | 8443 | /%20 | x=y?z | nil"),
            ("/a?b", "nil | nil | nil | nil | /a | b | nil"),
            ("//evil/x", "nil | nil | nil | nil | //evil/x | nil | nil"),
            ("/a:b@c", "nil | nil | nil | nil | /a:b@c | nil | nil"),
            ("http://[::1]:80", "http | nil | ::1 | 80 |  | nil | nil"),
            ("mailto:a@b", "mailto | nil | nil | nil | a@b | nil | nil"),
            ("http://a?x#", "http | nil | a | nil |  | x | "),
            ("file:///x", "file | nil |  | nil | /x | nil | nil"),
            ("http://a:/", "http | nil | a | nil | / | nil | nil"),
            ("*", "nil | nil | nil | nil | * | nil | nil"),
            ("", "nil | nil | nil | nil |  | nil | nil"),
        ]
        let refused = [
            "http://", "http://a b/", "http://a\\\\b/", "http://a@b@c/", "http://a:x/", "http://a:65536/",
            "http://a:123456/", "http://[::1", "http://[x]/", "http://[::1]x/", "http://::1/", "1http://a",
            "http://a%zz/",
            "ht!tp://x", "http://a\\n/", "http://:80/", "http://a[b]/", "http://\\0a/", "http://a/\\127", ":",
        ]
        try check(
            parts.map { Case("split(url.parse('\($0)'))", $1) }
                + refused.dropLast().map { Case("url.parse('\($0)')", "nil") },
            before:
                "function split(u) return u.scheme, u.userinfo, u.host, u.port, u.path, u.query, u.fragment end")
    }

    @Test("Escapes and query strings")
    func queries() throws {
        try check([
            Case("url.escape('a b/é~-._'), url.escape('')", "a%20b%2F%C3%A9~-._ | "),
            Case("url.unescape('a%20b%2f+'), url.unescape('%41')", "a b/+ | A"),
            Case(
                "url.unescape('%'), url.unescape('%4'), url.unescape('%zz'), url.unescape('%41%'), url.unescape('%4g')",
                "nil | nil | nil | nil | nil"),
            Case("json.encode(url.parse_query('a=1&a=2&a=3&b').a)", #"["1","2","3"]"#),
            Case(
                "url.parse_query('a=1&b').b, url.parse_query('a+b=%26+')['a b'], url.parse_query('=x')['']", " | &  | x"
            ),
            Case(
                "url.parse_query('a=b=c').a, next(url.parse_query('')), next(url.parse_query('&&'))", "b=c | nil | nil"),
            Case("url.parse_query('a=%'), url.query_pairs('%x=1')", "nil | nil"),
            Case("json.encode(url.query_pairs('b=1&a=2&&b=%20'))", #"[["b","1"],["a","2"],["b"," "]]"#),
            Case(
                "url.build_query{b = 2, a = 'x y', c = {'1', '&'}, d = true, e = 10 / 2, ['&'] = ''}",
                "%26=&a=x%20y&b=2&c=1&c=%26&d=true&e=5"),
            Case("url.build_query{}, url.build_query{a = {}}", " | "),
            Case("url.build_query(url.parse_query('z=1&y=2&x=3&y=4'))", "x=3&y=2&y=4&z=1"),
            Case("url.build_query{1}", "!names must be strings"),
            Case("url.build_query{a = print}", "!a value may not be a function"),
            Case("url.build_query{a = {{}}}", "!a value may not be a table"),
            Case(
                """
                (function()
                  local t, names = {}, {}
                  for i = 1, 300 do t["n" .. math.random(1, 10^9) // 1] = i end
                  for name in pairs(t) do names[#names + 1] = name end
                  table.sort(names)
                  for i, name in ipairs(names) do names[i] = name .. "=" .. t[name] end
                  return url.build_query(t) == table.concat(names, "&")
                end)()
                """, "true"),
        ])
    }
}
