internal import MartletConfig
internal import MartletCore

/// What a handshake of a test's client came to, without one: `tls: {}` is a client without a certificate.
enum ScriptedTLS {
    static func details(_ section: ConfigSection) -> TLSDetails {
        let version: Version? = section.choice("version")
        let peer = section.section("peer").map { certificate($0, fallback: "CN=client") }
        let local = section.section("local").map { certificate($0, fallback: "CN=server") }
        let isValidated = section.bool("validated", default: peer != nil)
        if isValidated, peer == nil {
            section.error(
                at: "validated", "there is no certificate to validate", hint: "add peer: { subject: CN=client }")
        }
        return TLSDetails(
            version: version == .tls12 ? .tls12 : .tls13,
            cipherSuiteID: UInt16(section.int("cipher_id", default: 0x1301, in: 0...0xFFFF)),
            cipherSuite: section.string("cipher", default: "TLS_AES_128_GCM_SHA256"),
            serverName: section.string("server_name")?.lowercased(), alpn: section.string("alpn"),
            sessionID: section.string("session_id", default: ""), isResumed: false, peer: peer,
            local: local, isPeerValidated: isValidated && peer != nil)
    }

    private enum Version: String, CaseIterable {
        case tls12 = "TLSv1.2"
        case tls13 = "TLSv1.3"
    }

    private static func certificate(_ section: ConfigSection, fallback: String) -> CertificateDetails {
        func names(_ key: String) -> [String] { section.oneOrMore(key, .string) }
        func time(_ key: String) -> Int64 {
            section.value(key, .time).map { Int64($0.nanoseconds / 1_000_000_000) } ?? 0
        }
        let subject = section.string("subject", default: fallback)
        let common = section.has("common_names") ? nil : commonName(of: subject)
        return CertificateDetails(
            subject: subject, issuer: section.string("issuer", default: "CN=ca"),
            commonNames: common.map { [$0] } ?? names("common_names"), organizationNames: names("organization_names"),
            uriSANs: names("uri_sans"), dnsSANs: names("dns_sans"), ipSANs: names("ip_sans"),
            emailSANs: names("email_sans"), oids: names("oids"),
            serialNumber: section.string("serial", default: "01"),
            fingerprint: section.string("fingerprint", default: ""),
            validFrom: time("valid_from"), expires: time("expires"), encodedPEM: section.string("pem", default: ""),
            encodedChain: section.string("chain", default: ""))
    }

    /// Of a subject without escapes, as tests have them.
    private static func commonName(of subject: String) -> String? {
        subject.split(separator: ",").first { $0.hasPrefix("CN=") }.map { String($0.dropFirst(3)) }
    }
}
