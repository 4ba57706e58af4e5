internal import MartletCore
internal import MartletCrypto

/// A token taken apart (RFC 7515 section 7.1): three parts of base64url. Nothing of it has been checked.
package struct JSONWebToken {
    /// `alg`.
    let algorithm: String
    /// `kid`.
    let keyID: String?
    let claims: JSONValue
    let signature: [UInt8]
    /// Of the token's bytes, what the signature is over.
    let signed: Range<Int>
    /// Of the token's bytes, the claims as they stand.
    let payload: Range<Int>

    /// Reads header and claims strictly: a member twice, padding, spare bits and bytes that are no UTF-8 are refused, so that nobody
    /// behind this proxy reads another token than it has checked.
    init(_ token: Span<UInt8>) throws(TokenFault) {
        guard let first = token.firstIndex(of: 0x2E), let second = token.firstIndex(of: 0x2E, from: first + 1),
            token.firstIndex(of: 0x2E, from: second + 1) == nil
        else { throw .malformed }
        let header = try Self.object(token.extracting(0..<first))
        // What must be understood, is not. Keys and places of keys in the header (jwk, jku, x5u, x5c) are never looked at.
        guard header["crit"] == nil else { throw .critical }
        guard let algorithm = header["alg"]?.string else { throw .malformed }
        self.algorithm = algorithm
        switch header["kid"] {
        case nil: keyID = nil
        case .string(let text): keyID = text
        default: throw .malformed
        }
        claims = try Self.object(token.extracting((first + 1)..<second))
        guard let signature = Base64.decode(token.extracting((second + 1)..<token.count), .url) else {
            throw .malformed
        }
        self.signature = signature
        signed = 0..<second
        payload = (first + 1)..<second
    }

    private static func object(_ part: Span<UInt8>) throws(TokenFault) -> JSONValue {
        guard let text = Base64.decode(part, .url) else { throw .malformed }
        guard let value = try? JSONReader.read(text.span), case .object = value else { throw .malformed }
        return value
    }

    /// For the fuzzer: reads what may be a token, and says whether it was one.
    package static func isReadable(_ token: Span<UInt8>) -> Bool {
        do throws(TokenFault) {
            _ = try JSONWebToken(token)
            return true
        } catch {
            return false
        }
    }
}
