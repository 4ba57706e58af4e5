/// What a certificate says, ready to be matched, logged and passed on.
public final class CertificateDetails: Sendable {
    /// Distinguished names as RFC 2253 writes them.
    public let subject: String
    public let issuer: String
    /// The subject's, in the certificate's order.
    public let commonNames: [String]
    public let organizationNames: [String]
    /// Subject alternative names, each kind in the certificate's order.
    public let uriSANs: [String]
    public let dnsSANs: [String]
    public let ipSANs: [String]
    public let emailSANs: [String]
    /// Object identifiers of its extensions, dotted.
    public let oids: [String]
    /// Lower-case hexadecimal.
    public let serialNumber: String
    /// SHA-256 of its DER form, lower-case hexadecimal.
    public let fingerprint: String
    /// Seconds since 1970.
    public let validFrom: Int64
    public let expires: Int64
    /// PEM, percent-encoded as Envoy does it; empty for our own.
    public let encodedPEM: String
    /// The same of the whole chain the peer sent, its own first; empty when it is not known, as after a resumption.
    public let encodedChain: String
    /// Who it is about, as Envoy has it: its URIs; without any its DNS names; without those its subject. Never empty.
    public let principals: [String]

    public init(
        subject: String, issuer: String, commonNames: [String], organizationNames: [String], uriSANs: [String],
        dnsSANs: [String], ipSANs: [String], emailSANs: [String], oids: [String], serialNumber: String,
        fingerprint: String, validFrom: Int64, expires: Int64, encodedPEM: String, encodedChain: String
    ) {
        self.subject = subject
        self.issuer = issuer
        self.commonNames = commonNames
        self.organizationNames = organizationNames
        self.uriSANs = uriSANs
        self.dnsSANs = dnsSANs
        self.ipSANs = ipSANs
        self.emailSANs = emailSANs
        self.oids = oids
        self.serialNumber = serialNumber
        self.fingerprint = fingerprint
        self.validFrom = validFrom
        self.expires = expires
        self.encodedPEM = encodedPEM
        self.encodedChain = encodedChain
        principals = !uriSANs.isEmpty ? uriSANs : !dnsSANs.isEmpty ? dnsSANs : [subject]
    }

    /// The SPIFFE identity: the one URI of that scheme; nil when there is none or more than one (SPIFFE X.509-SVID section 2).
    public var spiffeID: String? {
        let found = uriSANs.filter { $0.hasPrefix("spiffe://") }
        return found.count == 1 ? found[0] : nil
    }
}
