/// What TLS settled about one connection. Made once, when the handshake is over.
public final class TLSDetails: Sendable {
    public enum Version: String, Sendable, CaseIterable {
        case tls12 = "TLSv1.2"
        case tls13 = "TLSv1.3"
    }

    public let version: Version
    /// IANA's number of the cipher suite.
    public let cipherSuiteID: UInt16
    /// As OpenSSL and Envoy name it, such as `TLS_AES_128_GCM_SHA256` or `ECDHE-ECDSA-AES128-GCM-SHA256`.
    public let cipherSuite: String
    /// The name the client asked for (RFC 6066), lower case; nil when it named none.
    public let serverName: String?
    /// The protocol both agreed on (RFC 7301); nil when there was none.
    public let alpn: String?
    /// Lower-case hexadecimal; empty when the session has none.
    public let sessionID: String
    /// The session was taken up again: no certificate crossed the wire.
    public let isResumed: Bool
    /// The peer's, nil when it presented none.
    public let peer: CertificateDetails?
    /// Our own, nil when none was presented.
    public let local: CertificateDetails?
    /// The peer's certificate leads to a trusted one, and, where names were asked for, bears one of them.
    public let isPeerValidated: Bool

    public init(
        version: Version, cipherSuiteID: UInt16, cipherSuite: String, serverName: String?, alpn: String?,
        sessionID: String, isResumed: Bool, peer: CertificateDetails?, local: CertificateDetails?, isPeerValidated: Bool
    ) {
        self.version = version
        self.cipherSuiteID = cipherSuiteID
        self.cipherSuite = cipherSuite
        self.serverName = serverName
        self.alpn = alpn
        self.sessionID = sessionID
        self.isResumed = isResumed
        self.peer = peer
        self.local = local
        self.isPeerValidated = isPeerValidated
    }

    /// The peer's certificate, if it proves anything: who presents one that is not validated is a stranger.
    public var validatedPeer: CertificateDetails? { isPeerValidated ? peer : nil }
}
