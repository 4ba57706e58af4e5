internal import CTLS
package import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// How a listener speaks TLS.
package struct TLSServerSettings: Sendable {
    /// Picked by the name that a client asks for; the first for those that ask for none or another. At least one.
    package var certificates: [TLSCertificateFiles]
    package var choices = TLSChoices()
    /// Protocols, best first. Empty: ALPN is not spoken.
    package var alpn: [String] = []
    /// Who issues clients' certificates, PEM. Nil: clients are not asked for one.
    package var clientCA: TLSFile?
    /// Revoked certificates, PEM, of every issuer in a chain. Nil: none.
    package var revoked: TLSFile?
    /// Clients without a certificate are refused. Without `clientCA` it has no meaning.
    package var requiresClientCertificate = false
    /// A client's certificate must bear one of these. Empty: any name.
    package var clientNames: [SANPattern] = []
    /// Nil: sessions are not taken up again.
    package var ticketKeys: TLSTicketKeys?
    /// How long a session can be taken up again. Default 2 hours, at least a second.
    package var ticketLifetime = Duration.seconds(7200)
    /// Tickets are good for listeners of this name only.
    package var listener = ""

    package init(certificates: [TLSCertificateFiles]) { self.certificates = certificates }
}

/// A listener's TLS, shared by all workers. Immutable.
package final class TLSServerContext: Sendable {
    let context: TLSContext
    let clientNames: NameCheck?
    /// What is worth a word.
    package let warnings: [TLSWarning]

    package init(_ settings: TLSServerSettings) throws(TLSFault) {
        guard !settings.certificates.isEmpty else { throw TLSFault("", .noCertificate) }
        context = try TLSContext(isServer: true, settings.choices)
        let now = Int64(time(nil))
        for files in settings.certificates { try context.add(files, now: now) }
        try context.offer(settings.alpn)
        if let authorities = settings.clientCA {
            try context.trust(authorities)
            if let list = settings.revoked { try context.revoke(list) }
            context.verify(settings.requiresClientCertificate ? CTLS_REQUIRE : CTLS_ASK)
        }
        clientNames = settings.clientNames.isEmpty ? nil : NameCheck(settings.clientNames)
        if let keys = settings.ticketKeys {
            try context.useTickets(keys, lifetime: settings.ticketLifetime, scope: settings.ticketScope)
        }
        warnings = context.warnings
    }

    /// Our certificates, in the order of the settings.
    package var certificates: [CertificateDetails] { context.details }
}

extension TLSServerSettings {
    /// A ticket tells that its client was let in by these rules; after they have changed it tells nothing.
    fileprivate var ticketScope: [UInt8] {
        var scope: [UInt8] = []
        // Each part with its length in front: no two lists of parts look alike.
        func add(_ part: some Collection<UInt8>) {
            scope += (0..<8).map { UInt8(truncatingIfNeeded: part.count >> ($0 * 8)) }
            scope += part
        }
        add(Array(listener.utf8))
        add(clientCA?.bytes ?? [])
        add(revoked?.bytes ?? [])
        add([requiresClientCertificate ? 1 : 0, clientCA == nil ? 0 : 1, revoked == nil ? 0 : 1])
        for name in clientNames { add(Array(name.text.utf8)) }
        return scope
    }
}
