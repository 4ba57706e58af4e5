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

/// The identities of a request: at most one a kind of proof, the last that was proved.
struct Identities {
    private var jwt: Identity?
    private var apiKey: Identity?
    private var basicAuth: Identity?
    private(set) var isEmpty = true

    subscript(proof: Identity.Proof) -> Identity? {
        get {
            switch proof {
            case .jwt: jwt
            case .apiKey: apiKey
            case .basicAuth: basicAuth
            }
        }
        set {
            isEmpty = false
            switch proof {
            case .jwt: jwt = newValue
            case .apiKey: apiKey = newValue
            case .basicAuth: basicAuth = newValue
            }
        }
    }
}

extension Exchange {
    /// Who the request is from, by this proof; nil when nothing of the kind has been proved.
    public func identity(_ proof: Identity.Proof) -> Identity? { identities.isEmpty ? nil : identities[proof] }

    /// For the filter that has proved it.
    public func proved(_ identity: Identity) { identities[identity.proof] = identity }
}
