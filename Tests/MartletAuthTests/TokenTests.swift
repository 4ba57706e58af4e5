import MartletCore
import MartletCrypto
import MartletTesting
import Testing

@testable import MartletAuth

/// Keys that take a moment to make, once for all tests.
private enum Forge {
    static let rsa = Result { try TokenForge(.rsa, kid: "rsa") }
    static let otherRSA = Result { try TokenForge(.rsa, kid: "rsa") }
    static let p256 = Result { try TokenForge(.p256, kid: "p256") }
    static let p384 = Result { try TokenForge(.p384, kid: "p384") }
    static let p521 = Result { try TokenForge(.p521, kid: "p521") }
    static let edwards = Result { try TokenForge(.ed25519, kid: "ed") }
    static let secret = Array("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".utf8)
    static var oct: String { "{\"kty\":\"oct\",\"kid\":\"oct\",\"k\":\"\(TokenForge.text(secret))\"}" }
}

@Suite("Tokens: which count, and why others do not")
struct TokenTests {
    private static let claims =
        #"{"iss":"https://id.example.com","aud":["shop","desk"],"sub":"ann","exp":2000,"nbf":1000,"iat":1000}"#
    private static let now = 1500.0

    private func settings() -> JWTProvider.Settings {
        var settings = JWTProvider.Settings()
        settings.issuers = ["https://id.example.com"]
        settings.audiences = ["shop"]
        return settings
    }

    private func keys(_ more: [String] = []) throws -> KeySet {
        let forges = [Forge.rsa, Forge.p256, Forge.p384, Forge.p521, Forge.edwards]
        let text = Array(TokenForge.set(try forges.map { try $0.get().jwk() } + [Forge.oct] + more).utf8)
        return try KeySet.read(text.span, allowsSecrets: true)
    }

    /// What becomes of a token: nil when it counts.
    private func fault(
        _ token: String, _ settings: JWTProvider.Settings? = nil, _ keys: KeySet? = nil, at now: Double = now,
        for audiences: [String]? = nil
    ) throws -> TokenFault? {
        let bytes = Array(token.utf8)
        let keys = try keys ?? self.keys()
        do throws(TokenFault) {
            let verified = try VerifiedToken(bytes.span, settings ?? self.settings(), keys, HashState(), at: now)
            return verified.fault(at: now, for: audiences)
        } catch {
            return error
        }
    }

    @Test(
        "every algorithm, with its key and with no other",
        arguments: [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384",
            "HS512",
        ])
    func algorithms(_ name: String) throws {
        let token: String
        switch name.prefix(2) {
        case "HS": token = try TokenForge.hmacToken(name, secret: Forge.secret, Self.claims, header: ",\"kid\":\"oct\"")
        case "RS", "PS": token = try Forge.rsa.get().token(name, Self.claims)
        case "Ed": token = try Forge.edwards.get().token(name, Self.claims)
        default:
            let forge = name == "ES256" ? Forge.p256 : name == "ES384" ? Forge.p384 : Forge.p521
            token = try forge.get().token(name, Self.claims)
        }
        #expect(try fault(token) == nil)
        var allowed = settings()
        allowed.algorithms = [name == "RS256" ? .es256 : .rs256]
        #expect(try fault(token, allowed) == .algorithm)
        // Each byte of the signature counts.
        let parts = token.split(separator: ".")
        let signature = parts[2]
        for index in [0, signature.count / 2] {
            var letters = Array(signature)
            letters[index] = letters[index] == "A" ? "B" : "A"
            #expect(try fault("\(parts[0]).\(parts[1]).\(String(letters))") == .signature)
        }
    }

    @Test("RFC 7515 appendices A.1 to A.3")
    func vectors() throws {
        let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        let set = TokenForge.set([
            #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            #"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        ])
        let text = Array(set.utf8)
        let keys = try KeySet.read(text.span, allowsSecrets: true)
        var settings = JWTProvider.Settings()
        settings.issuers = ["joe"]
        for (header, signature) in [
            ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            (
                "eyJhbGciOiJSUzI1NiJ9",
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            ),
            (
                "eyJhbGciOiJFUzI1NiJ9",
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
            ),
        ] {
            #expect(try fault("\(header).\(claims).\(signature)", settings, keys, at: 1_300_819_000) == nil)
            #expect(try fault("\(header).\(claims).\(signature)", settings, keys, at: 1_300_819_440) == .expired)
        }
    }

    @Test("attacks on the signature")
    func attacks() throws {
        let rsa = try Forge.rsa.get()
        let good = try rsa.token("RS256", Self.claims)
        let parts = good.split(separator: ".").map(String.init)
        let (header, claims, signature) = (parts[0], parts[1], parts[2])
        func text(_ plain: String) -> String { TokenForge.text(plain.utf8) }
        let stranger = try Forge.otherRSA.get()

        var table: [(String, String, TokenFault)] = [
            // Algorithm confusion: the public key taken for a secret, under its own name, another's, and none.
            (
                "public key as secret",
                try TokenForge.hmacToken("HS256", secret: Array(rsa.pem.utf8), Self.claims, header: #","kid":"rsa""#),
                .keyMismatch
            ),
            (
                "public key as secret, no kid",
                try TokenForge.hmacToken("HS256", secret: Array(rsa.pem.utf8), Self.claims),
                .signature
            ),
            (
                "RSA key, elliptic alg",
                try rsa.token(rawHeader: #"{"alg":"ES256","kid":"rsa"}"#, Self.claims, signedAs: "RS256"), .keyMismatch
            ),
            (
                "RSA key, alg of another hash",
                try rsa.token(rawHeader: #"{"alg":"RS512","kid":"rsa"}"#, Self.claims, signedAs: "RS256"), .signature
            ),
            (
                "PKCS #1 for PSS",
                try rsa.token(rawHeader: #"{"alg":"PS256","kid":"rsa"}"#, Self.claims, signedAs: "RS256"), .signature
            ),
            (
                "ES256 with the P-384 key's name",
                try Forge.p256.get().token(rawHeader: #"{"alg":"ES256","kid":"p384"}"#, Self.claims, signedAs: "ES256"),
                .keyMismatch
            ),
            ("another's key", try stranger.token("RS256", Self.claims), .signature),
            (
                "a kid that nobody has",
                try rsa.token(rawHeader: #"{"alg":"RS256","kid":"no"}"#, Self.claims, signedAs: "RS256"), .keyUnknown
            ),
            // Keys in the header.
            (
                "jwk",
                try stranger.token(
                    rawHeader: "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":\(stranger.jwk())}", Self.claims,
                    signedAs: "RS256"),
                .signature
            ),
            (
                "jku",
                try stranger.token(
                    rawHeader: #"{"alg":"RS256","jku":"https://evil.example/jwks","kid":"evil"}"#, Self.claims,
                    signedAs: "RS256"),
                .keyUnknown
            ),
            ("crit", try rsa.token("RS256", Self.claims, header: #","crit":["exp"]"#), .critical),
            ("crit of nothing", try rsa.token("RS256", Self.claims, header: #","crit":[]"#), .critical),
            // Not signed.
            ("empty signature", "\(header).\(claims).", .signature),
            ("null key HMAC", try TokenForge.hmacToken("HS256", secret: [0], Self.claims), .signature),
            ("claims changed", "\(header).\(text(Self.claims.replacing("ann", with: "bob"))).\(signature)", .signature),
            (
                "signature of other claims",
                "\(header).\(claims).\(try rsa.token("RS256", "{}").split(separator: ".")[2])", .signature
            ),
            ("cut signature", "\(header).\(claims).\(signature.prefix(100))", .signature),
            ("zeros", "\(header).\(claims).\(TokenForge.text([UInt8](repeating: 0, count: 256)))", .signature),
        ]
        for name in ["none", "None", "NONE", "nOnE", "", "HS1", "rs256", "RS256 ", "RSA-OAEP", "A128KW", "dir"] {
            table.append(("alg \(name)", "\(text("{\"alg\":\"\(name)\"}")).\(claims).", .algorithm))
        }
        // ECDSA signatures of other lengths than two coordinates, DER above all.
        let elliptic = try Forge.p256.get().token("ES256", Self.claims).split(separator: ".").map(String.init)
        let letters = Array(elliptic[2].utf8)
        let raw = Base64.decode(letters.span, .url) ?? []
        let (r, s) = (Array(raw.prefix(32)), Array(raw.suffix(32)))
        let padded: [UInt8] = [0] + r + [0] + s
        let sequence: [UInt8] = [0x30, 0x44, 0x02, 0x20] + r + [0x02, 0x20] + s
        let others: [(String, [UInt8])] = [
            ("short", Array(raw.dropLast())), ("long", raw + [0]), ("padded", padded), ("DER", sequence),
            ("zeros", [UInt8](repeating: 0, count: 64)), ("r alone", r),
        ]
        for (name, bytes) in others {
            table.append(("ECDSA \(name)", "\(elliptic[0]).\(elliptic[1]).\(TokenForge.text(bytes))", .signature))
        }
        for (name, token, expected) in table { #expect(try fault(token) == expected, "\(name)") }
    }

    @Test("what is no token")
    func malformed() throws {
        let good = try Forge.rsa.get().token("RS256", Self.claims)
        let parts = good.split(separator: ".").map(String.init)
        let (header, claims, signature) = (parts[0], parts[1], parts[2])
        func text(_ plain: String) -> String { TokenForge.text(plain.utf8) }
        let spare = "\(signature.dropLast())\(Self.spared(signature.last))"
        let deep = text("{\"a\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}")
        let noText = TokenForge.text([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D] as [UInt8])
        let table: [(String, String)] = [
            ("nothing", ""), ("dots", ".."), ("one part", header), ("two parts", "\(header).\(claims)"),
            ("four parts", "\(good).x"), ("five parts, as encrypted", "\(header).\(claims).\(signature).a.b"),
            ("a dot at the end", "\(good)."), ("a dot at the beginning", ".\(good)"),
            ("extra dot", "\(header)..\(claims).\(signature)"),
            ("padding", "\(header)=.\(claims).\(signature)"), ("padded signature", "\(good)=="),
            ("other alphabet", "\(header).\(claims).\(signature.dropLast(4))++//"),
            ("spare bits", "\(header).\(claims).\(spare)"),
            ("a blank", "\(header).\(claims) .\(signature)"), ("a line end", "\(good)\n"),
            ("header no JSON", "\(text("{\"alg\":")).\(claims).\(signature)"),
            ("header no object", "\(text("[\"RS256\"]")).\(claims).\(signature)"),
            ("no alg", "\(text("{\"kid\":\"rsa\"}")).\(claims).\(signature)"),
            ("alg no text", "\(text("{\"alg\":256}")).\(claims).\(signature)"),
            ("alg twice", "\(text(#"{"alg":"none","alg":"RS256","kid":"rsa"}"#)).\(claims).\(signature)"),
            ("kid no text", "\(text(#"{"alg":"RS256","kid":1}"#)).\(claims).\(signature)"),
            ("claim twice", "\(header).\(text(#"{"sub":"ann","sub":"bob"}"#)).\(signature)"),
            ("claim twice, escaped", "\(header).\(text(#"{"sub":"ann","s\u0075b":"bob"}"#)).\(signature)"),
            ("claims no object", "\(header).\(text("\"ann\"")).\(signature)"),
            ("claims no UTF-8", "\(header).\(noText).\(signature)"), ("deep", "\(header).\(deep).\(signature)"),
        ]
        for (name, token) in table { #expect(try fault(token) == .malformed, "\(name)") }
        // Cut anywhere, it is no token of ours.
        for length in 0..<good.count { #expect(try fault(String(good.prefix(length))) != nil, "\(length)") }
        #expect(try fault(good + String(repeating: "A", count: 8192)) == .tooLarge)
    }

    /// A letter whose bits beyond the last byte are not zero.
    private static func spared(_ letter: Character?) -> Character {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        guard let letter, let index = alphabet.firstIndex(of: letter) else { return "B" }
        return alphabet[index | 1]
    }

    @Test(
        "claims",
        arguments: [
            (#"{"iss":"https://id.example.com","aud":"shop","exp":2000}"#, nil),
            (#"{"iss":"https://id.example.com/","aud":"shop","exp":2000}"#, .issuer),
            (#"{"iss":"HTTPS://id.example.com","aud":"shop","exp":2000}"#, .issuer),
            (#"{"aud":"shop","exp":2000}"#, .issuer), (#"{"iss":["https://id.example.com"],"exp":2000}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":["desk","shop"],"exp":2000}"#, nil),
            (#"{"iss":"https://id.example.com","aud":["desk"],"exp":2000}"#, .audience),
            (#"{"iss":"https://id.example.com","aud":[],"exp":2000}"#, .audience),
            (#"{"iss":"https://id.example.com","aud":"","exp":2000}"#, .audience),
            (#"{"iss":"https://id.example.com","aud":"Shop","exp":2000}"#, .audience),
            (#"{"iss":"https://id.example.com","exp":2000}"#, .audience),
            (#"{"iss":"https://id.example.com","aud":{"shop":1},"exp":2000}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":["shop",1],"exp":2000}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":"shop"}"#, .expirationMissing),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":"2000"}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":null}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":1440.5}"#, nil),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":1440}"#, .expired),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":-1}"#, .expired),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":1e300}"#, nil),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":2000,"nbf":1560}"#, nil),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":2000,"nbf":1561}"#, .notYetValid),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":2000,"nbf":true}"#, .claim),
            (#"{"iss":"https://id.example.com","aud":"shop","exp":2000,"sub":7}"#, .claim),
        ] as [(String, TokenFault?)])
    func claims(_ claims: String, _ expected: TokenFault?) throws {
        #expect(try fault(try Forge.edwards.get().token("EdDSA", claims)) == expected)
    }

    @Test("settings that ask for more, or less")
    func strictness() throws {
        let token = try Forge.edwards.get().token("EdDSA", Self.claims)
        var settings = self.settings()
        settings.subjects = ["bob"]
        #expect(try fault(token, settings) == .subject)
        settings.subjects = ["bob", "ann"]
        #expect(try fault(token, settings) == nil)
        settings.maxLifetime = 999
        #expect(try fault(token, settings) == .lifetime)
        settings.maxLifetime = 1000
        #expect(try fault(token, settings) == nil)
        settings.clockSkew = 0
        #expect(try fault(token, settings, at: 2000) == .expired)
        #expect(try fault(token, settings, at: 999.9) == .notYetValid)
        #expect(try fault(token, settings, for: ["admin"]) == .audience)
        #expect(try fault(token, settings, for: ["desk"]) == nil)
        settings.maxTokenSize = 300
        #expect(try fault(token, settings) == (token.utf8.count > 300 ? .tooLarge : nil))
        settings = self.settings()
        settings.requiresExpiration = false
        let endless = try Forge.edwards.get().token("EdDSA", #"{"iss":"https://id.example.com","aud":"shop"}"#)
        #expect(try fault(endless, settings) == nil)
        settings.maxLifetime = 60
        #expect(try fault(endless, settings) == .expirationMissing)
        // Not the same letters, though Unicode calls them equal.
        settings = self.settings()
        settings.subjects = ["caf\u{E9}"]
        let decomposed = try Forge.edwards.get().token(
            "EdDSA", "{\"iss\":\"https://id.example.com\",\"aud\":\"shop\",\"exp\":2000,\"sub\":\"cafe\u{301}\"}")
        #expect(try fault(decomposed, settings) == .subject)
    }

    @Test("claims as headers")
    func headers() throws {
        var settings = self.settings()
        settings.claimHeaders = [
            ("x-sub", "sub"), ("x-level", "level"), ("x-roles", "roles"), ("x-city", "address.city"),
            ("x-url", "https://e.x/a"),
            ("x-none", "none"), ("x-null", "null"), ("x-true", "true"),
        ].compactMap { entry in
            guard let name = HeaderName(entry.0), let claim = ClaimPath(entry.1) else { return nil }
            return JWTProvider.ClaimHeader(header: name, claim: claim)
        }
        settings.payloadHeader = HeaderName("x-payload")
        func headers(_ extra: String) throws -> [String: String] {
            let claims = "{\"iss\":\"https://id.example.com\",\"aud\":\"shop\",\"exp\":2000,\(extra)}"
            let token = Array(try Forge.edwards.get().token("EdDSA", claims).utf8)
            let keys = try keys()
            let verified = try VerifiedToken(token.span, settings, keys, HashState(), at: Self.now)
            return Dictionary(
                verified.headers.map { ($0.name.description, String(decoding: $0.value, as: UTF8.self)) },
                uniquingKeysWith: { first, _ in first })
        }
        let made = try headers(
            #""sub":"ann é","level":3,"roles":["a,b","c\n"],"address":{"city":"Ulm"},"https://e.x/a":1.5,"null":null,"true":true"#
        )
        #expect(made["x-sub"] == "ann é")
        #expect(made["x-level"] == "3")
        #expect(made["x-roles"] == TokenForge.text(#"["a,b","c\u000a"]"#.utf8))
        #expect(made["x-city"] == "Ulm")
        #expect(made["x-url"] == "1.5")
        #expect(made["x-true"] == "true")
        #expect(made["x-none"] == nil && made["x-null"] == nil)
        #expect(made["x-payload"]?.isEmpty == false)
        for claim in [
            #""sub":"a\r\nx-admin: 1""#, #""sub":"a\u0000""#, #""sub":" ann""#, #""sub":"ann ""#, #""level":"\n""#,
        ] {
            #expect(throws: TokenFault.claim, "\(claim)") { try headers(claim) }
        }
    }
}
