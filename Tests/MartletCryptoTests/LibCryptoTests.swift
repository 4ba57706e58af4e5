import MartletCrypto
import Testing

// `#expect` cannot take spans.
extension PublicKey {
    fileprivate func signed(_ signature: [UInt8], _ data: [UInt8], _ scheme: Scheme) -> Bool {
        isSignature(signature.span, of: data.span, scheme)
    }
}

@Suite("libcrypto and libcrypt behind their face")
struct LibCryptoTests {
    private func bytes(_ text: String) -> [UInt8] {
        let letters = Array(text.utf8)
        return Base64.decode(letters.span, .url) ?? []
    }

    private func hex(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.utf8.count, by: 2).compactMap {
            UInt8(text.dropFirst($0).prefix(2), radix: 16)
        }
    }

    @Test("SHA-256 of FIPS 180-4, and one of another")
    func sha256() throws {
        let state = HashState()
        let text = Array("abc".utf8)
        let expected = try #require(
            SHA256Hash(hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")))
        let hash = state.sha256(text.span)
        let nothing: [UInt8] = []
        let none = state.sha256(nothing.span)
        #expect(hash == expected && none != expected)
        #expect(SHA256Hash([1, 2]) == nil)
    }

    @Test(
        "HMAC of RFC 4231, and no part of it",
        arguments: [
            (
                HashAlgorithm.sha256, "4a656665", "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                .sha384, "4a656665", "what do ya want for nothing?",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
            ),
            (
                .sha512, String(repeating: "aa", count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
            ),
        ])
    func hmac(_ algorithm: HashAlgorithm, key: String, text: String, mac: String) {
        let state = HashState()
        let (data, right) = (Array(text.utf8), hex(mac))
        let secret = SecretBytes(hex(key))
        func isRight(_ mac: [UInt8]) -> Bool { state.isHMAC(mac.span, of: data.span, algorithm, key: secret) }
        #expect(isRight(right))
        for wrong in [Array(right.dropLast()), right + [0], [], [right[0] ^ 1] + right.dropFirst()] {
            #expect(!isRight(wrong))
        }
    }

    @Test("Ed25519 of RFC 8037 appendix A, and what is near it")
    func edwards() throws {
        let key = try #require(PublicKey(edwards: bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")))
        let data = Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)
        let signature = bytes(
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        #expect(key.signed(signature, data, .edwards))
        for wrong in [Array(signature.dropLast()), signature + [0], [], [UInt8](repeating: 0, count: 64)] {
            #expect(!key.signed(wrong, data, .edwards))
        }
        for scheme in [PublicKey.Scheme.rsaPKCS1(.sha256), .rsaPSS(.sha256), .ecdsa(.sha256)] {
            #expect(!key.signed(signature, data, scheme))
        }
        #expect(PublicKey(edwards: [1, 2, 3]) == nil)
    }

    @Test("ES256 of RFC 7515 appendix A.3, and signatures of other lengths")
    func elliptic() throws {
        let (x, y) = (
            bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
        )
        let key = try #require(PublicKey(.p256, x: x, y: y))
        let data = Array(
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                .utf8)
        let signature = bytes(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
        #expect(key.signed(signature, data, .ecdsa(.sha256)))
        #expect(!key.signed(signature, data, .ecdsa(.sha384)))
        let zeros = [UInt8](repeating: 0, count: 64)
        for wrong in [Array(signature.dropLast()), signature + [0], [0] + signature, [], zeros] {
            #expect(!key.signed(wrong, data, .ecdsa(.sha256)))
        }
        var off = y
        off[31] ^= 1
        #expect(PublicKey(.p256, x: x, y: off) == nil)
        #expect(PublicKey(.p384, x: x, y: y) == nil)
        #expect(PublicKey(.p256, x: [0] + x, y: [0] + y) == nil)
        #expect(PublicKey(.p256, x: x.dropLast(), y: y) == nil)
    }

    @Test("RSA keys that protect nothing, or take for ever, are none")
    func rsa() {
        var modulus = [UInt8](repeating: 0xFF, count: 256)
        #expect(PublicKey(rsaModulus: modulus, exponent: [1, 0, 1]) != nil)
        #expect(PublicKey(rsaModulus: modulus, exponent: [1, 0, 0]) == nil)
        #expect(PublicKey(rsaModulus: modulus, exponent: [1]) == nil)
        #expect(PublicKey(rsaModulus: modulus, exponent: []) == nil)
        #expect(PublicKey(rsaModulus: modulus, exponent: [UInt8](repeating: 0xFF, count: 9)) == nil)
        #expect(PublicKey(rsaModulus: Array(modulus.prefix(128)), exponent: [1, 0, 1]) == nil)
        #expect(PublicKey(rsaModulus: [UInt8](repeating: 0xFF, count: 1025), exponent: [1, 0, 1]) == nil)
        modulus[255] = 0xFE
        #expect(PublicKey(rsaModulus: modulus, exponent: [1, 0, 1]) == nil)
    }

    @Test(
        "password hashes of crypt(5)",
        arguments: [
            ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
            (
                "Hello world!",
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
            ),
        ])
    func passwords(_ password: String, _ hash: String) throws {
        let checker = try #require(PasswordChecker())
        let right = Array(password.utf8)
        #expect(checker.matches(right, hash))
        #expect(!checker.matches(right.dropLast(), hash))
        #expect(!checker.matches(right + [0], hash), "NUL ends what libcrypt reads, not what was sent")
        #expect(!checker.matches(right, String(hash.dropLast())))
        #expect(!checker.matches(right, "*0"))
        #expect(!checker.matches([UInt8](repeating: 0x61, count: 512), hash))
    }
}
