import Testing

@Suite("Lua: crypto")
struct CryptoTests {
    @Test("Hashes: the vectors of RFC 1321 and FIPS 180")
    func hashes() throws {
        let abc448 = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
        try check([
            Case("crypto.hash_hex('md5', '')", "d41d8cd98f00b204e9800998ecf8427e"),
            Case("crypto.hash_hex('md5', 'message digest')", "f96b697d7cb7938d525a2f31aaf161d0"),
            Case("crypto.hash_hex('sha1', 'abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            Case("crypto.hash_hex('sha1', '\(abc448)')", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            Case("crypto.hash_hex('sha224', 'abc')", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            Case(
                "crypto.hash_hex('sha256', 'abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            Case(
                "crypto.hash_hex('SHA256', '\(abc448)')",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
            Case(
                "crypto.hash_hex('sha256', string.rep('a', 1000000))",
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
            Case(
                "crypto.hash_hex('sha384', 'abc')",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
            Case(
                "crypto.hash_hex('sha512', 'abc')",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
            Case(
                "#crypto.hash('sha512', ''), crypto.hex(crypto.hash('md5', ''))",
                "64 | d41d8cd98f00b204e9800998ecf8427e"),
            Case("crypto.hash('sha3', '')", "!unknown hash algorithm 'sha3'"),
        ])
    }

    @Test("HMAC: the vectors of RFC 2202 and RFC 4231")
    func hmacs() throws {
        let long = "Test Using Larger Than Block-Size Key - Hash Key First"
        try check([
            Case("crypto.hmac_hex('md5', 'Jefe', 'what do ya want for nothing?')", "750c783e6ab0b503eaa86e310a5db738"),
            Case(
                "crypto.hmac_hex('sha1', string.rep('\\x0b', 20), 'Hi There')",
                "b617318655057264e28bc0b6fb378c8ef146be00"),
            Case(
                "crypto.hmac_hex('sha224', string.rep('\\x0b', 20), 'Hi There')",
                "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"),
            Case(
                "crypto.hmac_hex('sha256', 'Jefe', 'what do ya want for nothing?')",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            Case(
                "crypto.hmac_hex('sha256', string.rep('\\xaa', 131), '\(long)')",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            Case(
                "crypto.hmac_hex('sha384', 'Jefe', 'what do ya want for nothing?')",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"),
            Case(
                "crypto.hmac_hex('sha512', string.rep('\\xaa', 131), '\(long)')",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                    + "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"),
            Case("#crypto.hmac('sha256', '', '')", "32"),
        ])
    }

    @Test("Bytes: random, compared, in hexadecimal")
    func bytes() throws {
        try check([
            Case("#crypto.random_bytes(0), #crypto.random_bytes(1024)", "0 | 1024"),
            Case("crypto.random_bytes(16) == crypto.random_bytes(16)", "false"),
            Case("crypto.random_bytes(1025)", "!0 to 1024 bytes"),
            Case("crypto.random_bytes(-1)", "!0 to 1024 bytes"),
            Case(
                "crypto.equals('a', 'a'), crypto.equals('a', 'b'), crypto.equals('a', 'ab'), crypto.equals('', '')",
                "true | false | false | true"),
            Case("crypto.hex('\\0\\255a'), crypto.unhex('00FF61') == '\\0\\255a'", "00ff61 | true"),
            Case("crypto.unhex('0'), crypto.unhex('0g'), crypto.unhex('g0'), crypto.unhex('')", "nil | nil | nil | "),
            Case(
                "getmetatable(crypto), pcall(setmetatable, crypto, nil)",
                "crypto | false | cannot change a protected metatable"),
        ])
    }

    @Test("Signatures: Envoy's two methods")
    func signatures() throws {
        let cases = SignatureVectors.signatures.flatMap { item in
            let call =
                "(function(hash, text) local key = handle:importPublicKey(unhex'\(item.key)', \(item.key.utf8.count / 2))"
                + " local s = unhex'\(item.signature)' return handle:verifySignature(hash, key:get(), s, #s, text, #text) end)"
            return [
                Case("\(call)('\(item.hash)', 'hello')", "true | nil"),
                Case("\(call)('\(item.hash.uppercased())', 'hello')", "true | nil"),
                Case("\(call)('\(item.hash)', 'hallo')", "false | Failed to verify digest. Error code: 0"),
                Case(
                    "\(call)('\(item.hash == "sha1" ? "sha256" : "sha1")', 'hello')",
                    "false | Failed to verify digest. Error code: 0"),
            ]
        }
        try check(cases, before: "local unhex = crypto.unhex")
        let rsa = "crypto.unhex'\(SignatureVectors.rsaKey)'"
        try check(
            [
                Case("import(rsa):get() == rsa, import(elliptic):get() == elliptic", "true | true"),
                Case(
                    "import('junk'):get(), import(''):get(), import(edwards):get(), import(rsa .. 'x'):get()",
                    "nil | nil | nil | nil"),
                Case("handle:importPublicKey(rsa, #rsa - 1):get()", "nil"),
                Case("handle:importPublicKey(rsa, #rsa + 1)", "!length exceeds the text"),
                Case("handle:verifySignature('sha256', nil, 's', 1, 'd', 1)", "!invalid public key"),
                Case("handle:verifySignature('sha256', 'junk', 's', 1, 'd', 1)", "!invalid public key"),
                Case("handle:verifySignature('md5', rsa, 's', 1, 'd', 1)", "false | md5 is not supported."),
                Case("handle:verifySignature('unknown', rsa, 's', 1, 'd', 1)", "false | unknown is not supported."),
                Case("handle:verifySignature('sha256', rsa, 's', 2, 'd', 1)", "!length exceeds the text"),
                Case("handle:verifySignature('sha256', rsa, 's', -1, 'd', 1)", "!length exceeds the text"),
                Case(
                    "handle:verifySignature('sha256', rsa, string.rep('s', 5000), 5000, 'd', 1)",
                    "false | Failed to verify digest. Error code: 0"),
                Case("import(rsa).get(handle)", "!public key expected, got handle"),
                Case("getmetatable(import(rsa))", "public key"),
            ],
            before: """
                rsa = \(rsa)
                elliptic = crypto.unhex'\(SignatureVectors.ellipticKey)'
                edwards = crypto.unhex'\(SignatureVectors.edwardsKey)'
                function import(key) return handle:importPublicKey(key, #key) end
                """)
    }
}
