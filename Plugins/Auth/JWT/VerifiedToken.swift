internal import MartletCore
internal import MartletCrypto
internal import MartletFilter

/// A token whose signature and claims hold, and all that is done with it, made ready. Belongs to one worker.
final class VerifiedToken {
    let bytes: [UInt8]
    /// From which second on, and before which, it counts; clock skew included.
    let begins: Double
    let ends: Double
    let identity: Identity
    let audiences: TokenClaims
    /// It names one of the audiences that the provider's configuration does.
    let isForUs: Bool
    let headers: [(name: HeaderName, value: [UInt8])]
    /// When it was last used, in lookups of the cache.
    var lastUse: UInt64 = 0

    /// All that is asked of a token but the time of its use and its audience, which a route may have its own idea of.
    init(
        _ token: Span<UInt8>, _ settings: JWTProvider.Settings, _ keys: KeySet, _ state: HashState, at now: Double
    ) throws(TokenFault) {
        guard token.count <= settings.maxTokenSize else { throw .tooLarge }
        let parsed = try JSONWebToken(token)
        guard let algorithm = JWTAlgorithm(rawValue: parsed.algorithm),
            settings.algorithms?.contains(algorithm) ?? true
        else { throw .algorithm }
        let claims = try TokenClaims(parsed.claims)
        try Self.check(claims, settings)
        begins = claims.notBefore.map { $0 - settings.clockSkew } ?? -.infinity
        ends = claims.expires.map { $0 + settings.clockSkew } ?? .infinity
        // Before the signature, which costs a hundred times more: a client with an old token is told so all the same.
        if let fault = Self.fault(at: now, begins, ends) { throw fault }
        if let fault = keys.check(
            parsed.signature.span, of: token.extracting(parsed.signed), algorithm, keyID: parsed.keyID, state)
        {
            throw fault
        }
        headers = try Self.headers(of: parsed, token, settings)
        audiences = claims
        isForUs = settings.audiences.map { claims.isMeant(for: $0) } ?? true
        identity = Identity(.jwt, name: claims.subject ?? "", provider: settings.name, claims: parsed.claims)
        bytes = token.array()
    }

    func isMade(of token: Span<UInt8>) -> Bool {
        let bytes = self.bytes
        return bytes.span.equals(token)
    }

    private static func check(_ claims: TokenClaims, _ settings: JWTProvider.Settings) throws(TokenFault) {
        if let issuers = settings.issuers {
            guard let issuer = claims.issuer, issuers.contains(where: { $0.hasSameBytes(as: issuer) }) else {
                throw .issuer
            }
        }
        if let subjects = settings.subjects {
            guard let subject = claims.subject, subjects.contains(where: { $0.hasSameBytes(as: subject) }) else {
                throw .subject
            }
        }
        if settings.requiresExpiration, claims.expires == nil { throw .expirationMissing }
        if let longest = settings.maxLifetime {
            guard let expires = claims.expires, let issued = claims.issued else { throw .expirationMissing }
            guard expires - issued <= longest else { throw .lifetime }
        }
    }

    private static func fault(at now: Double, _ begins: Double, _ ends: Double) -> TokenFault? {
        if now >= ends { return .expired }
        return now < begins ? .notYetValid : nil
    }

    private static func headers(
        of parsed: JSONWebToken, _ token: Span<UInt8>, _ settings: JWTProvider.Settings
    ) throws(TokenFault) -> [(name: HeaderName, value: [UInt8])] {
        var headers: [(name: HeaderName, value: [UInt8])] = []
        for entry in settings.claimHeaders {
            guard let value = entry.claim.value(in: parsed.claims), value != .null else { continue }
            guard let text = ClaimText.bytes(of: value) else { throw .claim }
            headers.append((entry.header, text))
        }
        if let name = settings.payloadHeader { headers.append((name, token.extracting(parsed.payload).array())) }
        return headers
    }

    /// Why it does not count now and for these audiences; nil when it does.
    /// - Parameter names: those of the route; nil for the provider's own.
    func fault(at now: Double, for names: [String]?) -> TokenFault? {
        if let fault = Self.fault(at: now, begins, ends) { return fault }
        return names.map { audiences.isMeant(for: $0) } ?? isForUs ? nil : .audience
    }
}
