internal import CMartletModule
internal import MartletCore

extension Exchange {
    /// Who the request is from, by this proof; nil when nothing of the kind has been proved. A copy each time.
    public func identity(_ proof: Identity.Proof) -> Identity? {
        guard let handle = unsafe handle else { return nil }
        let found = Border.lend(proof.rawValue) { unsafe martlet_of_host().pointee.exchange_identity(handle, $0) }
        guard let identity = unsafe found else { return nil }
        defer { Border.release(identity) }
        let claims = Border.bytes { unsafe martlet_of_host().pointee.identity_claims(identity, $0) }
        return Identity(
            proof, name: Border.text { unsafe martlet_of_host().pointee.identity_name(identity, $0) } ?? "",
            provider: Border.text { unsafe martlet_of_host().pointee.identity_provider(identity, $0) },
            claims: claims.flatMap { try? JSONReader.read($0.span) })
    }

    /// For the filter that has proved it.
    public func proved(_ identity: Identity) {
        guard let handle = unsafe handle else { return }
        Border.lend(identity.proof.rawValue) { proof in
            Border.lend(identity.name) { name in
                Border.lend(identity.provider) { provider in
                    Border.lend(identity.claims?.text) {
                        unsafe martlet_of_host().pointee.exchange_proved(handle, proof, name, provider, $0)
                    }
                }
            }
        }
    }
}
