internal import MartletCore
internal import MartletCrypto

/// The keys that a provider's tokens are checked with: a JWK set (RFC 7517 section 5). Immutable, shared by all workers.
package final class KeySet: Sendable {
    /// Why a text is no key set.
    package struct Fault: Error {
        package let reason: String
    }

    let keys: [JSONWebKey]
    /// Members that are broken, in words; a set that came over the network is used without them.
    package let faults: [String]
    /// Members that are for something else, in words.
    let ignored: [String]
    /// Tells this set from another.
    let fingerprint: SHA256Hash

    /// More make no sense, and each takes time.
    static let maxKeys = 100

    private init(keys: [JSONWebKey], faults: [String] = [], ignored: [String] = [], fingerprint: SHA256Hash) {
        self.keys = keys
        self.faults = faults
        self.ignored = ignored
        self.fingerprint = fingerprint
    }

    /// One secret, for HMAC.
    convenience init(secret: [UInt8]) {
        self.init(keys: [JSONWebKey(secret: secret)], fingerprint: HashState().sha256(secret.span))
    }

    /// Reads a key set, strictly as JSON, leniently as a set: members that are no keys of ours do not count.
    package static func read(_ text: Span<UInt8>, allowsSecrets: Bool) throws(Fault) -> KeySet {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONReader.read(text)
        } catch {
            throw Fault(reason: "is no JSON: \(error)")
        }
        guard let members = value["keys"]?.items else { throw Fault(reason: "has no list called \"keys\"") }
        guard members.count <= maxKeys else { throw Fault(reason: "has more than \(maxKeys) keys") }
        var keys: [JSONWebKey] = []
        var faults: [String] = []
        var ignored: [String] = []
        for (index, member) in members.enumerated() {
            do throws(JSONWebKey.Problem) {
                keys.append(try JSONWebKey(member, allowsSecrets: allowsSecrets))
            } catch {
                switch error {
                case .unsound(let reason): faults.append("key \(index + 1) \(reason)")
                case .otherUse(let reason): ignored.append("key \(index + 1) \(reason)")
                }
            }
        }
        guard !keys.isEmpty else {
            let why = (faults + ignored).first.map { ": \($0)" } ?? ""
            throw Fault(reason: "has no key that tokens can be checked with\(why)")
        }
        return KeySet(keys: keys, faults: faults, ignored: ignored, fingerprint: HashState().sha256(text))
    }

    // MARK: Choosing

    /// Signatures checked for one token, at most: without a key id, every fitting key is one that may have made it.
    private static let maxTries = 8

    /// Whether one of the keys made `signature`. A token that names its key is checked with that one, or with those that have no name.
    func check(
        _ signature: Span<UInt8>, of data: Span<UInt8>, _ algorithm: JWTAlgorithm, keyID: String?, _ state: HashState
    ) -> TokenFault? {
        var isKnown = keyID == nil
        var tries = 0
        for key in keys {
            if let keyID, let id = key.id {
                guard id.hasSameBytes(as: keyID) else { continue }
                isKnown = true
            }
            guard key.fits(algorithm) else { continue }
            tries += 1
            if key.verifies(signature, of: data, algorithm, state) { return nil }
            if tries == Self.maxTries { break }
        }
        if tries > 0 { return .signature }
        return isKnown ? .keyMismatch : .keyUnknown
    }
}

extension String {
    /// Equal byte by byte. `==` takes some different texts for the same (canonical equivalence); names in tokens are compared as they
    /// are (RFC 7519 section 7.3).
    func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
