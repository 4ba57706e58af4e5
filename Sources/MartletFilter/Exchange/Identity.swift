public import MartletCore

/// Who a request is from, as a filter has proved it. Immutable, so that one can be kept and shared.
public final class Identity: Sendable {
    /// What proved it.
    public enum Proof: String, Sendable, CaseIterable {
        case jwt
        case apiKey = "api_key"
        case basicAuth = "basic_auth"
    }

    public let proof: Proof
    /// The token's `sub`, the key's client, the user. Empty for a token without `sub`.
    public let name: String
    /// Which of several providers of tokens vouched for it; nil for other proofs.
    public let provider: String?
    /// The token's claims, an object.
    public let claims: JSONValue?

    public init(_ proof: Proof, name: String, provider: String? = nil, claims: JSONValue? = nil) {
        self.proof = proof
        self.name = name
        self.provider = provider
        self.claims = claims
    }
}
