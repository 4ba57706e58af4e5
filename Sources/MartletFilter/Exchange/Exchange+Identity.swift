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
