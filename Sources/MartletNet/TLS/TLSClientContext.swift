internal import CTLS
package import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// How a cluster's endpoints are spoken to.
package struct TLSClientSettings: Sendable {
    package enum Trust: Sendable {
        /// Anybody's certificate will do, with any name.
        case anybody
        /// PEM.
        case authorities(TLSFile)
        /// Those that the system trusts.
        case system
    }

    package var trust = Trust.anybody
    /// Revoked certificates, PEM, of every issuer in a chain. Nil: none.
    package var revoked: TLSFile?
    /// Our own, for servers that ask for one.
    package var certificate: TLSCertificateFiles?
    package var choices = TLSChoices()
    /// Protocols to offer, best first. Empty: ALPN is not spoken.
    package var alpn: [String] = []

    package init() {}
}

/// A cluster's TLS, shared by all workers. Immutable.
package final class TLSClientContext: Sendable {
    let context: TLSContext
    let verifies: Bool
    /// What is worth a word.
    package let warnings: [TLSWarning]

    package init(_ settings: TLSClientSettings) throws(TLSFault) {
        context = try TLSContext(isServer: false, settings.choices)
        if let files = settings.certificate { try context.add(files, now: Int64(time(nil))) }
        switch settings.trust {
        case .anybody: verifies = false
        case .system:
            try context.trustSystem()
            verifies = true
        case .authorities(let file):
            try context.trust(file)
            verifies = true
        }
        if verifies {
            if let list = settings.revoked { try context.revoke(list) }
            context.verify(CTLS_REQUIRE)
        }
        try context.offer(settings.alpn)
        warnings = context.warnings
    }
}

/// Who is meant by one connection. Made once for an endpoint, and compared by what it says.
package final class TLSClientTarget: Sendable {
    let context: TLSClientContext
    /// The name to ask for (RFC 6066).
    package let serverName: String?
    let names: NameCheck?
    /// The context's protocols are offered (RFC 7301).
    let offersProtocols: Bool

    /// - Parameters:
    ///   - serverName: a host name, never an address. Nil: no name is asked for.
    ///   - names: the server's certificate must bear one of these. Nil: any name will do. Without effect where the context
    ///     trusts anybody.
    ///   - offersProtocols: false where what is spoken over TLS is not for us to say.
    package init(
        _ context: TLSClientContext, serverName: String?, names: [SANPattern]?, offersProtocols: Bool = true
    ) {
        self.context = context
        self.serverName = serverName
        self.offersProtocols = offersProtocols
        self.names = context.verifies ? names.map(NameCheck.init) : nil
    }

    /// Whether a session begun with `other` may be taken up with this one: the same rules were obeyed.
    func isSame(as other: TLSClientTarget) -> Bool {
        self === other
            || context === other.context && serverName == other.serverName && names?.patterns == other.names?.patterns
                && offersProtocols == other.offersProtocols
    }
}

/// A session with an upstream that can be taken up again, without certificates and their checks. Any number of times, though
/// with TLS 1.3 each is better used once (RFC 8446 appendix C.4): whoever listens could tell the connections belong together.
///
/// `@unchecked Sendable`: it is only read, to make the copy that is taken up.
@safe
package final class TLSClientSession: @unchecked Sendable {
    private let session: OpaquePointer
    private let target: TLSClientTarget

    /// Takes over the reference.
    init(_ session: OpaquePointer, _ target: TLSClientTarget) {
        unsafe self.session = session
        self.target = target
    }

    deinit { unsafe ctls_resumption_free(session) }

    /// OpenSSL's object, when it was begun under the same rules.
    func usable(for target: TLSClientTarget) -> OpaquePointer? {
        target.isSame(as: self.target) ? unsafe session : nil
    }
}
