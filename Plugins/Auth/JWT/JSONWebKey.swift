internal import MartletCore
internal import MartletCrypto

/// One key of a key set (RFC 7517): what tokens may be checked with.
struct JSONWebKey: Sendable {
    private enum Material: Sendable {
        case rsa(PublicKey)
        case elliptic(PublicKey.Curve, PublicKey)
        case edwards(PublicKey)
        case secret(SecretBytes)
    }

    /// Why a member of a key set is no key to check tokens with.
    enum Problem: Error, Equatable {
        /// It is for something else, and that is fine.
        case otherUse(String)
        /// It is broken.
        case unsound(String)
    }

    /// `kid`.
    let id: String?
    /// The one algorithm it is for, when it says so.
    private let algorithm: JWTAlgorithm?
    private let material: Material

    /// A secret that both sides know, for any HMAC whose hash is not longer than it.
    init(secret: [UInt8]) {
        id = nil
        algorithm = nil
        material = .secret(SecretBytes(secret))
    }

    /// - Parameter allowsSecrets: `oct` keys count. Never for a set that came over the network: what everybody can read is no secret.
    init(_ value: JSONValue, allowsSecrets: Bool) throws(Problem) {
        guard case .object = value else { throw .unsound("is no object") }
        if let use = value["use"], use != .string("sig") { throw .otherUse("is not for signatures") }
        if let operations = value["key_ops"] {
            guard let items = operations.items else { throw .unsound("key_ops is no list") }
            guard items.contains(.string("verify")) else { throw .otherUse("is not for checking signatures") }
        }
        id = try Self.text("kid", of: value)
        if let name = try Self.text("alg", of: value) {
            guard let known = JWTAlgorithm(rawValue: name) else {
                throw .otherUse("is for the algorithm \(name.prefix(20))")
            }
            algorithm = known
        } else {
            algorithm = nil
        }
        guard let type = try Self.text("kty", of: value) else { throw .unsound("has no kty") }
        if type != "oct", value["d"] != nil {
            throw .unsound("holds a private key: whoever reads this file can sign; keep only its public members")
        }
        material = try Self.material(type, value, allowsSecrets: allowsSecrets)
        if let algorithm, !fitsMaterial(algorithm) {
            throw .unsound("says alg \(algorithm.rawValue), which is not for such a key")
        }
    }

    private static func material(
        _ type: String, _ value: JSONValue, allowsSecrets: Bool
    ) throws(Problem) -> Material {
        switch type {
        case "RSA":
            guard let key = PublicKey(rsaModulus: try bytes("n", of: value), exponent: try bytes("e", of: value)) else {
                throw .unsound("is no RSA key of 2048 to 8192 bits with an odd exponent")
            }
            return .rsa(key)
        case "EC":
            let curve: PublicKey.Curve
            switch try text("crv", of: value) {
            case "P-256": curve = .p256
            case "P-384": curve = .p384
            case "P-521": curve = .p521
            default: throw .otherUse("is on a curve that no algorithm here uses")
            }
            guard let key = PublicKey(curve, x: try bytes("x", of: value), y: try bytes("y", of: value)) else {
                throw .unsound("is no point on its curve")
            }
            return .elliptic(curve, key)
        case "OKP":
            let length: Int
            switch try text("crv", of: value) {
            case "Ed25519": length = 32
            case "Ed448": length = 57
            default: throw .otherUse("is on a curve that no algorithm here uses")
            }
            let x = try bytes("x", of: value)
            guard x.count == length, let key = PublicKey(edwards: x) else {
                throw .unsound("is no point on its curve")
            }
            return .edwards(key)
        case "oct":
            guard allowsSecrets else { throw .otherUse("is a secret, which a fetched set cannot keep") }
            let secret = try bytes("k", of: value)
            // RFC 7518 section 3.2: as long as the hash, at least.
            guard secret.count >= HashAlgorithm.sha256.size else {
                throw .unsound("has \(secret.count) bytes; HS256 needs 32, HS384 48, HS512 64")
            }
            return .secret(SecretBytes(secret))
        default: throw .otherUse("has the unknown kty \(type.prefix(20))")
        }
    }

    private static func text(_ name: String, of value: JSONValue) throws(Problem) -> String? {
        guard let member = value[name] else { return nil }
        guard let text = member.string else { throw .unsound("\(name) is no string") }
        return text
    }

    private static func bytes(_ name: String, of value: JSONValue) throws(Problem) -> [UInt8] {
        guard let text = try text(name, of: value) else { throw .unsound("has no \(name)") }
        guard let bytes = Base64.decode(text.utf8Span.span, .url), !bytes.isEmpty else {
            throw .unsound("\(name) is no base64url")
        }
        return bytes
    }

    // MARK: Checking

    /// Whether a token signed like this may be checked with this key at all. It is the key that decides, never the token alone.
    func fits(_ algorithm: JWTAlgorithm) -> Bool {
        if let own = self.algorithm, own != algorithm { return false }
        return fitsMaterial(algorithm)
    }

    private func fitsMaterial(_ algorithm: JWTAlgorithm) -> Bool {
        switch (material, algorithm.family) {
        case (.rsa, .publicKey(.rsaPKCS1)), (.rsa, .publicKey(.rsaPSS)), (.edwards, .publicKey(.edwards)): true
        case (.elliptic(.p256, _), .publicKey(.ecdsa(.sha256))): true
        case (.elliptic(.p384, _), .publicKey(.ecdsa(.sha384))): true
        case (.elliptic(.p521, _), .publicKey(.ecdsa(.sha512))): true
        case (.secret(let secret), .secret(let hash)): secret.count >= hash.size
        default: false
        }
    }

    /// Whether `signature` is that of `data` by this key.
    func verifies(_ signature: Span<UInt8>, of data: Span<UInt8>, _ algorithm: JWTAlgorithm, _ state: HashState) -> Bool
    {
        guard fits(algorithm) else { return false }
        switch (material, algorithm.family) {
        case (.rsa(let key), .publicKey(let scheme)), (.elliptic(_, let key), .publicKey(let scheme)),
            (.edwards(let key), .publicKey(let scheme)):
            return key.isSignature(signature, of: data, scheme)
        case (.secret(let secret), .secret(let hash)): return state.isHMAC(signature, of: data, hash, key: secret)
        default: return false
        }
    }
}
