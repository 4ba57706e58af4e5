internal import CLua
internal import MartletCore
internal import MartletFilter

/// What a script may know of the client's TLS, in Envoy's texts: what is missing is an empty text, an empty list or 0.
extension LuaExchange {
    /// An encoded value; nil when the connection is in clear text, or the exchange is gone.
    func ssl(_ what: Int32) -> mrt_bytes_borrowed? {
        guard let tls = exchange?.downstream?.tls else { return nil }
        if Int(what) == MRT_SSL_HAS_SUBJECT, tls.peer == nil { return nil }
        scratch = Self.encoded(what, tls)
        return unsafe lendScratch()
    }

    private static func encoded(_ what: Int32, _ tls: TLSDetails) -> [UInt8] {
        switch Int(what) {
        case MRT_SSL_IS_USED, MRT_SSL_HAS_SUBJECT: EncodedValue.json(.bool(true))
        case MRT_SSL_PEER_PRESENTED: EncodedValue.json(.bool(tls.peer != nil))
        case MRT_SSL_PEER_VALIDATED: EncodedValue.json(.bool(tls.validatedPeer != nil))
        case MRT_SSL_LOCAL_URI_SANS: list(tls.local?.uriSANs)
        case MRT_SSL_LOCAL_DNS_SANS: list(tls.local?.dnsSANs)
        case MRT_SSL_LOCAL_OIDS: list(tls.local?.oids)
        case MRT_SSL_LOCAL_SUBJECT: text(tls.local?.subject)
        case MRT_SSL_SESSION_ID: text(tls.sessionID)
        case MRT_SSL_CIPHER_ID: text("0x" + String(tls.cipherSuiteID, radix: 16))
        case MRT_SSL_CIPHER: text(tls.cipherSuite)
        case MRT_SSL_VERSION: text(tls.version.rawValue)
        default: encoded(what, tls.peer)
        }
    }

    private static func encoded(_ what: Int32, _ peer: CertificateDetails?) -> [UInt8] {
        switch Int(what) {
        case MRT_SSL_PEER_URI_SANS: list(peer?.uriSANs)
        case MRT_SSL_PEER_DNS_SANS: list(peer?.dnsSANs)
        case MRT_SSL_PEER_OIDS: list(peer?.oids)
        case MRT_SSL_PEER_FINGERPRINT: text(peer?.fingerprint)
        case MRT_SSL_PEER_SERIAL: text(peer?.serialNumber)
        case MRT_SSL_PEER_ISSUER: text(peer?.issuer)
        case MRT_SSL_PEER_SUBJECT: text(peer?.subject)
        case MRT_SSL_PEER_COMMON_NAME: text(peer?.commonNames.first)
        case MRT_SSL_PEER_ORGANIZATIONS: list(peer?.organizationNames)
        case MRT_SSL_PEER_VALID_FROM: EncodedValue.json(.integer(peer?.validFrom ?? 0))
        case MRT_SSL_PEER_EXPIRES: EncodedValue.json(.integer(peer?.expires ?? 0))
        case MRT_SSL_PEER_PEM: text(peer?.encodedPEM)
        case MRT_SSL_PEER_CHAIN: text(peer?.encodedChain)
        default: text(nil)
        }
    }

    private static func text(_ text: String?) -> [UInt8] { EncodedValue.text(Array((text ?? "").utf8)) }
    private static func list(_ items: [String]?) -> [UInt8] {
        EncodedValue.json(.array((items ?? []).map { .string($0) }))
    }
}
