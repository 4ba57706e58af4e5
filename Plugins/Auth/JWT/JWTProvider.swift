internal import MartletCore
internal import MartletCrypto

/// One issuer of tokens and what is asked of them. Shared by all workers; one that a reload leaves unchanged is kept, and with it what
/// workers remember of its tokens.
final class JWTProvider: Sendable {
    struct Settings: Sendable, Equatable {
        /// Nil for the one provider of a filter without names.
        var name: String?
        /// Nil: any.
        var issuers: [String]?
        /// Nil: any.
        var audiences: [String]?
        /// Nil: any, and none.
        var subjects: [String]?
        /// Nil: all that fit a key.
        var algorithms: [JWTAlgorithm]?
        var requiresExpiration = true
        /// From `iat` to `exp`; nil is any.
        var maxLifetime: Double?
        /// Seconds that clocks may differ.
        var clockSkew = 60.0
        /// Bytes.
        var maxTokenSize = 8192
        /// Tokens remembered by each worker; 0 is none.
        var cacheSize = 1024
        var sources: [CredentialSource] = [.bearer]
        /// The token goes on to the upstream.
        var forwards = false
        var payloadHeader: HeaderName?
        var claimHeaders: [ClaimHeader] = []
    }

    struct ClaimHeader: Sendable, Equatable {
        let header: HeaderName
        let claim: ClaimPath
    }

    enum Keys: Sendable {
        case fixed(KeySet)
        case fetched(RemoteKeys)
    }

    let settings: Settings
    let keys: Keys

    init(_ settings: Settings, _ keys: Keys) {
        self.settings = settings
        self.keys = keys
    }

    func isSame(as other: JWTProvider) -> Bool {
        guard settings == other.settings else { return false }
        switch (keys, other.keys) {
        case (.fixed(let mine), .fixed(let others)): return mine.fingerprint == others.fingerprint
        case (.fetched(let mine), .fetched(let others)): return mine === others
        default: return false
        }
    }

    /// Headers that clients must not send.
    var ownHeaders: [HeaderName] { settings.claimHeaders.map(\.header) + (settings.payloadHeader.map { [$0] } ?? []) }
}
