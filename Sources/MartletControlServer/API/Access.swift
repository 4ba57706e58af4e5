internal import MartletCore
package import MartletCrypto

/// What a caller may do. Each role may do what the ones before it may.
package enum Role: String, Sendable, CaseIterable, Comparable {
    case read, write, admin

    package static func < (one: Role, other: Role) -> Bool {
        (allCases.firstIndex(of: one) ?? 0) < (allCases.firstIndex(of: other) ?? 0)
    }
}

/// Who asks, and how far their word goes.
package struct Caller: Sendable, Equatable {
    /// The token's name: the author in the history.
    package let name: String
    package let role: Role
    /// Nil: all.
    package let namespaces: Set<String>?

    package init(name: String, role: Role, namespaces: Set<String>?) {
        (self.name, self.role, self.namespaces) = (name, role, namespaces)
    }

    /// Where no tokens are configured: whoever reaches the socket.
    package static let local = Caller(name: "local", role: .admin, namespaces: nil)

    /// Another process of this control plane.
    package static let replica = Caller(name: "replica", role: .read, namespaces: nil)

    package func sees(_ namespace: String) -> Bool { namespaces?.contains(namespace) ?? true }
}

/// A token that is known by its hash alone.
package struct AccessToken: Sendable {
    package let caller: Caller
    let hash: SHA256Hash

    /// A shorter one can be guessed.
    package static let minLength = 16
    package static let maxLength = 4096

    package init(_ caller: Caller, hash: SHA256Hash) {
        (self.caller, self.hash) = (caller, hash)
    }

    package static func hash(of token: some Collection<UInt8>) -> SHA256Hash {
        HashState().sha256(Array(token).span)
    }
}

/// Who may come in.
package struct Access: Sendable {
    let tokens: [AccessToken]
    private let replica: AccessToken?

    /// - Parameter tokens: none: everybody who can reach the socket is its admin.
    /// - Parameter replicaToken: of other replicas, which may read.
    package init(_ tokens: [AccessToken] = [], replicaToken: String? = nil) {
        self.tokens = tokens
        replica = replicaToken.map { AccessToken(.replica, hash: AccessToken.hash(of: $0.utf8)) }
    }

    var isOpen: Bool { tokens.isEmpty }

    /// Nil: nobody that is known.
    /// - Parameter authorization: the field's value (RFC 6750 section 2.1).
    func caller(_ authorization: String?) -> Caller? {
        if isOpen { return .local }
        guard let authorization else { return nil }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", parts[1].utf8.count <= AccessToken.maxLength else {
            return nil
        }
        // Hashes are compared, in constant time each and all of them: how long it takes says nothing of any token.
        let hash = AccessToken.hash(of: parts[1].utf8)
        var found: Caller?
        for token in tokens + [replica].compactMap(\.self) where token.hash == hash { found = token.caller }
        return found
    }

    /// Why a request is none that somebody meant to send to a socket without tokens. A web page can have its reader's browser send requests to this machine, and can
    /// have a name of its own lead here (DNS rebinding).
    func suspicion(host: String?, origin: String?, site: String?) -> String? {
        guard isOpen else { return nil }
        if origin != nil || (site != nil && site != "none" && site != "same-origin") {
            return "requests of web pages are refused where there are no tokens"
        }
        guard let host else { return nil }
        let name = host.hasPrefix("[") ? String(host.prefix { $0 != "]" }) + "]" : String(host.prefix { $0 != ":" })
        let isAddress = name.hasPrefix("[") || name.utf8.allSatisfy { "0123456789.".utf8.contains($0) }
        return isAddress || name.lowercased() == "localhost"
            ? nil : "where there are no tokens, the host must be localhost or an address"
    }
}
