/// Why a request's token does not count, in the words of `x-martlet-error` and of the counter's label.
enum TokenFault: String, Error, Sendable, CaseIterable {
    case missing = "jwt-missing"
    case several = "jwt-several-tokens"
    case tooLarge = "jwt-too-large"
    /// Not three parts of base64url, not JSON, a member twice.
    case malformed = "jwt-malformed"
    /// Its header says that it must be understood in ways that nobody here does (`crit`).
    case critical = "jwt-critical-header"
    /// `none`, an unknown one, or one that the configuration does not allow.
    case algorithm = "jwt-algorithm-refused"
    /// A claim of the wrong type, or one that cannot stand in a header.
    case claim = "jwt-claim-invalid"
    case issuer = "jwt-issuer-refused"
    case subject = "jwt-subject-refused"
    case audience = "jwt-audience-refused"
    case expired = "jwt-expired"
    case notYetValid = "jwt-not-yet-valid"
    case expirationMissing = "jwt-expiration-missing"
    case lifetime = "jwt-lifetime-too-long"
    /// No key has the name that the token gives.
    case keyUnknown = "jwt-key-unknown"
    /// The key that the token names, or every key, is for other algorithms.
    case keyMismatch = "jwt-key-mismatch"
    case signature = "jwt-signature-invalid"
    /// Not the client's fault: no key set has come yet.
    case keysUnavailable = "jwt-keys-unavailable"
}
