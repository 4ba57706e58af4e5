import MartletCore
import MartletCrypto
import MartletTesting
import Testing

@testable import MartletAuth

@Suite("Tokens that were verified before, and keys that are fetched")
struct TokenCacheTests {
    private static let secret = [UInt8](repeating: 7, count: 32)

    private func token(_ number: Int) throws -> VerifiedToken {
        var settings = JWTProvider.Settings()
        settings.requiresExpiration = false
        let claims = TokenForge.text("{\"sub\":\"\(number)\",\"exp\":100}".utf8)
        let input = Array("\(TokenForge.text(#"{"alg":"HS256"}"#.utf8)).\(claims)".utf8)
        // Signed here: there are many, and how is not what is tested.
        let mac = HashState().hmac(input.span, key: SecretBytes(Self.secret))
        let bytes = input + [0x2E] + Array(TokenForge.text(mac.bytes).utf8)
        return try VerifiedToken(bytes.span, settings, KeySet(secret: Self.secret), HashState(), at: 0)
    }

    @Test("found by all of their bytes, no more than fit, none after a rotation")
    func cache() throws {
        var cache = TokenCache(capacity: 16)
        func find(_ bytes: [UInt8]) -> VerifiedToken? { cache.find(bytes.span) }
        let tokens = try (0..<64).map { try token($0) }
        for token in tokens {
            #expect(find(token.bytes) == nil)
            cache.insert(token)
            #expect(find(token.bytes) === token)
            // The same end, and another beginning.
            #expect(find([token.bytes[0] ^ 1] + token.bytes.dropFirst()) == nil)
            #expect(find(Array(token.bytes.dropFirst())) == nil)
        }
        let kept = tokens.filter { find($0.bytes) != nil }
        #expect(kept.count <= 16 && kept.count >= 4 && kept.last === tokens.last)
        cache.removeAll()
        for token in tokens { #expect(find(token.bytes) == nil) }
        for short in [[], [1], [UInt8](repeating: 0x2E, count: 3)] as [[UInt8]] { #expect(find(short) == nil) }
    }

    @Test("a token that was found is judged by the time of its use")
    func time() throws {
        let token = try token(1)
        #expect(token.fault(at: 159, for: nil) == nil)
        #expect(token.fault(at: 160, for: nil) == .expired)
    }

    @Test("one fetch at a time, again when due, with a back-off after failures, and early for an unknown key")
    func remote() throws {
        let remote = RemoteKeys(RemoteKeys.Settings(cluster: "idp", authority: "idp", path: "/"))
        func at(_ second: UInt64) -> Instant { Instant(nanoseconds: second * 1_000_000_000) }
        #expect(remote.claim(.isDue, at: at(1)))
        #expect(!remote.claim(.isDue, at: at(1)) && !remote.claim(.unknownKey, at: at(100)))
        let delay = remote.finished(nil, at: at(2))
        #expect(remote.keys == nil && (Nanoseconds.milliseconds(250)...Nanoseconds.milliseconds(375)).contains(delay))
        #expect(!remote.claim(.isDue, at: at(2)) && remote.claim(.isDue, at: at(3)))
        let keys = KeySet(secret: Self.secret)
        #expect(remote.finished(keys, at: at(4)) == .seconds(600))
        #expect(remote.keys === keys && !remote.claim(.isDue, at: at(603)))
        // Ten seconds after the last began, not before.
        #expect(!remote.claim(.unknownKey, at: at(12)) && remote.claim(.unknownKey, at: at(13)))
        remote.finished(nil, at: at(14))
        #expect(remote.keys === keys, "what there is stays when a fetch fails")
        #expect(remote.claim(.isDue, at: at(15)))
        // The same set again is no new one.
        remote.finished(KeySet(secret: Self.secret), at: at(16))
        #expect(remote.keys === keys)
        for (failures, low) in [(1, 250), (2, 500), (5, 4000), (8, 32_000), (1000, 32_000)] as [(Int, UInt64)] {
            let bounds = Nanoseconds.milliseconds(low)...Nanoseconds.milliseconds(low * 3 / 2)
            #expect(bounds.contains(RemoteKeys.backOff(failures)))
        }
    }
}
