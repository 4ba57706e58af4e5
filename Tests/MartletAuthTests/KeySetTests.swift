import MartletCrypto
import MartletTesting
import Testing

@testable import MartletAuth

@Suite("Key sets")
struct KeySetTests {
    private func read(_ text: String, allowsSecrets: Bool = true) throws(KeySet.Fault) -> KeySet {
        let bytes = Array(text.utf8)
        return try KeySet.read(bytes.span, allowsSecrets: allowsSecrets)
    }

    private static let edwards = #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#
    private static let secret = #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T""#

    @Test(
        "members that are for something else do not count; broken ones are told of",
        arguments: [
            (edwards + "}", nil), (edwards + #","use":"sig","key_ops":["verify"],"alg":"EdDSA"}"#, nil),
            (edwards + #","use":"enc"}"#, "is not for signatures"),
            (edwards + #","key_ops":["sign"]}"#, "is not for checking"),
            (edwards + #","alg":"RS256"}"#, "is not for such a key"),
            (edwards + #","alg":"ECDH-ES"}"#, "is for the algorithm"),
            (edwards + #","d":"AAAA"}"#, "private key"), (edwards + #","kid":7}"#, "kid is no string"),
            (#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#, "curve"),
            (#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, "no point"), (#"{"kty":"OKP","crv":"Ed25519"}"#, "has no x"),
            (#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, "curve"),
            (#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, "no point"),
            (#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "2048"), (#"{"kty":"RSA","e":"AQAB"}"#, "has no n"),
            (#"{"kty":"RSA","n":"AQAB=","e":"AQAB"}"#, "no base64url"), (#"{"kty":"fish"}"#, "unknown kty"),
            (#"{"kid":"a"}"#, "no kty"), ("7", "no object"), (#"{"kty":"oct","k":"AAAA"}"#, "3 bytes"),
            (secret + "}", nil), (secret + #","alg":"HS256"}"#, nil),
            (secret + #","alg":"HS512"}"#, "not for such a key"),
        ] as [(String, String?)])
    func members(_ member: String, _ complaint: String?) throws {
        let set = try read(TokenForge.set([Self.edwards + #","kid":"good"}"#, member]))
        let said = (set.faults + set.ignored).joined()
        #expect(set.keys.count == (complaint == nil ? 2 : 1), "\(said)")
        if let complaint { #expect(said.contains(complaint) && said.contains("key 2"), "\(said)") }
    }

    @Test(
        "what is no key set",
        arguments: [
            "", "{}", "[]", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"fish"}]}"#, #"{"keys":[],"keys":[]}"#,
        ])
    func sets(_ text: String) { #expect(throws: KeySet.Fault.self) { try read(text) } }

    @Test("more keys than any set has are refused")
    func many() {
        let keys = [String](repeating: Self.edwards + "}", count: 101)
        #expect(throws: KeySet.Fault.self) { try read(TokenForge.set(keys)) }
    }

    @Test("a set from the network has no secrets")
    func noSecrets() throws {
        #expect(throws: KeySet.Fault.self) { try read(TokenForge.set([Self.secret + "}"]), allowsSecrets: false) }
        let set = try read(TokenForge.set([Self.secret + "}", Self.edwards + "}"]), allowsSecrets: false)
        #expect(set.keys.count == 1)
    }
}
