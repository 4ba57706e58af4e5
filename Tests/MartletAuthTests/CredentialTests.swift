import MartletCore
import MartletCrypto
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletAuth

@Suite("Where credentials stand, and how they are kept")
struct CredentialTests {
    private func found(_ source: CredentialSource, _ target: String = "/", _ headers: [(String, String)] = [])
        -> String?
    {
        let request = RequestHead()
        request.setTarget(target.utf8Span.span)
        for (name, value) in headers {
            if let name = HeaderName(name) { request.headers.append(name, value) }
        }
        switch source.find(in: request) {
        case .none: return nil
        case .several: return "several"
        case .one(let place): return place.read(in: request) { $0.string() }
        }
    }

    @Test(
        "in headers",
        arguments: [
            ([("authorization", "Bearer abc")], "abc"), ([("Authorization", "bearer   abc ")], "abc"),
            ([("authorization", "BEARER abc")], "abc"), ([("authorization", "Bearer")], nil),
            ([("authorization", "Bearerabc")], nil), ([("authorization", "Basic abc")], nil), ([], nil),
            ([("authorization", "Bearer a"), ("authorization", "Bearer b")], "several"),
            ([("authorization", "Basic a"), ("authorization", "Bearer b")], "several"),
        ] as [([(String, String)], String?)])
    func headers(_ headers: [(String, String)], _ expected: String?) {
        #expect(found(.bearer, "/", headers) == expected)
    }

    @Test(
        "in queries",
        arguments: [
            ("/", nil), ("/?", nil), ("/?token=abc", "abc"), ("/?a=1&token=abc&b=2", "abc"), ("/?token=", nil),
            ("/?token", nil),
            ("/?xtoken=abc", nil), ("/?token=a&token=b", "several"), ("/?TOKEN=abc", nil), ("/token=abc", nil),
            ("/?a=b?token=abc", nil), ("/?&&token=abc", "abc"),
        ] as [(String, String?)])
    func queries(_ target: String, _ expected: String?) {
        #expect(found(.query(Array("token".utf8)), target) == expected)
    }

    @Test(
        "in cookies",
        arguments: [
            (["token=abc"], "abc"), (["a=1; token=abc"], "abc"), (["a=1;token=abc ; b=2"], "abc"),
            (["atoken=abc"], nil),
            (["a=1", "token=abc"], "abc"), (["token=a", "token=b"], "several"), (["token=a; token=b"], "several"),
            ([], nil),
            (["=token; ;"], nil), (["token="], nil), (["token=; token=a"], "several"),
        ] as [([String], String?)])
    func cookies(_ lines: [String], _ expected: String?) {
        #expect(found(.cookie(Array("token".utf8)), "/", lines.map { ("cookie", $0) }) == expected)
    }

    @Test(
        "names that only the proxy sets, however they are spelt",
        arguments: [
            ("x-user", true), ("X-User", true), ("x_user", true), ("X_USER", true), ("x-users", false),
            ("x.user", false),
            ("x-team-id", true), ("x_team-id", true), ("xuser", false),
        ])
    func ownHeaders(_ name: String, _ isOwn: Bool) throws {
        let own = OwnHeaders([try #require(HeaderName("X-User")), try #require(HeaderName("x-team_id"))])
        let headers = HeaderTable()
        headers.append(named: Array(name.utf8).span, "1".utf8Span.span)
        headers.append(named: Array("host".utf8).span, "a".utf8Span.span)
        own.remove(from: headers)
        #expect(headers.count == (isOwn ? 1 : 2))
    }

    @Test(
        "user and password",
        arguments: [
            ("ann:secret", true), ("ann:", true), ("ann:a:b", true), (":secret", false), ("annsecret", false),
            ("ann:a\u{0}b", false), ("ann:a\nb", false), ("", false), ("é:ü", true),
            ("ann:" + String(repeating: "a", count: 511), true), ("ann:" + String(repeating: "a", count: 512), false),
        ])
    func credentials(_ text: String, _ isRead: Bool) {
        let encoded = Base64.encode(Array(text.utf8).span, .standard)
        #expect((Credentials(encoded.span) != nil) == isRead)
    }

    @Test("htpasswd: hashes that are accepted, and why others are not")
    func htpasswd() {
        let sha = #"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="#
        let bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
        let (users, mistakes) = Htpasswd.read(
            Array(
                """
                # people
                ann:\(sha)
                bob:\(bcrypt)\r

                cat:$apr1$salt$abcdefghijklmnopqrstuv
                dan:plain
                eve:$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
                fay:$6$rounds=99999999$salt$\(String(repeating: "a", count: 86))
                gus:$6$rounds=5000$salt$\(String(repeating: "a", count: 86))
                hal:{SHA}W6ph
                ivy
                :\(sha)
                ann:\(sha)
                jim:\(bcrypt.dropLast())
                kim:$7$x
                """.utf8))
        #expect(users.map(\.identity.name) == ["ann", "bob", "gus"])
        #expect(mistakes.map(\.line) == [5, 6, 7, 8, 10, 11, 12, 13, 14, 15])
        #expect(mistakes[0].message.contains("MD5") && mistakes[1].message.contains("plain text"))
        #expect(mistakes[7].message.contains("line 2"))
        #expect(users[0].hash.matches(Array("password".utf8)) && !users[0].hash.matches(Array("Password".utf8)))
        #expect(users[1].hash.matches(Array("U*U".utf8)))
    }

    @Test("credentials are remembered for a time, and no more of them than fit")
    func passwordCache() {
        let state = HashState()
        func hash(_ number: Int) -> SHA256Hash { state.sha256(Array("\(number)".utf8).span) }
        var cache = PasswordCache(capacity: 8, lifetime: .seconds(5))
        cache.insert(hash(0), user: 7, at: Instant(nanoseconds: 0))
        #expect(cache.user(hash(0), at: Instant(nanoseconds: 4_999_999_999)) == 7)
        #expect(cache.user(hash(0), at: Instant(nanoseconds: 5_000_000_000)) == nil)
        for number in 0..<100 { cache.insert(hash(number), user: number, at: Instant(nanoseconds: 0)) }
        let kept = (0..<100).filter { cache.user(hash($0), at: Instant(nanoseconds: 1)) != nil }
        #expect(kept.count <= 8 && kept.contains(99))
        var none = PasswordCache(capacity: 8, lifetime: .zero)
        none.insert(hash(1), user: 1, at: Instant(nanoseconds: 0))
        #expect(none.user(hash(1), at: Instant(nanoseconds: 0)) == nil)
    }

    @Test("failures are counted by window")
    func failures() {
        var counts = FailureCounts(limit: 2, window: .seconds(10))
        func begin(_ who: UInt64, _ second: UInt64) -> Nanoseconds? {
            counts.begin(who, at: Instant(nanoseconds: second * 1_000_000_000))
        }
        #expect(begin(1, 0) == nil && begin(1, 1) == nil)
        #expect(begin(1, 4) == .seconds(6))
        #expect(begin(2, 4) == nil)
        counts.succeeded(1)
        #expect(begin(1, 5) == nil)
        #expect(begin(1, 5) == nil && begin(1, 5) != nil)
        counts.takeBack(1)
        #expect(begin(1, 6) == nil && begin(1, 6) != nil)
        #expect(begin(1, 10) == nil)
        var endless = FailureCounts(limit: 0, window: .seconds(10))
        for _ in 0..<100 { #expect(endless.begin(1, at: Instant(nanoseconds: 0)) == nil) }
    }
}
