internal import CTLS
internal import MartletCore

extension CertificateDetails {
    /// From what CTLS says of a certificate.
    convenience init(sections: Span<UInt8>) {
        var texts: [Int: [String]] = [:]
        var times: [Int: Int64] = [:]
        var at = 0
        while at + 5 <= sections.count {
            let kind = Int(sections[at])
            let size = Int(Self.number(sections, at + 1, bytes: 4))
            let start = at + 5
            guard size <= sections.count - start else { break }
            at = start + size
            if kind == CTLS_NOT_BEFORE || kind == CTLS_NOT_AFTER {
                if size == 8 { times[kind] = Int64(bitPattern: Self.number(sections, start, bytes: 8)) }
            } else {
                texts[kind, default: []].append(sections.extracting(start..<at).string())
            }
        }
        func all(_ kind: Int) -> [String] { texts[kind] ?? [] }
        func one(_ kind: Int) -> String { texts[kind]?.first ?? "" }
        self.init(
            subject: one(CTLS_SUBJECT), issuer: one(CTLS_ISSUER), commonNames: all(CTLS_COMMON_NAME),
            organizationNames: all(CTLS_ORGANIZATION), uriSANs: all(CTLS_URI), dnsSANs: all(CTLS_DNS),
            ipSANs: all(CTLS_IP), emailSANs: all(CTLS_EMAIL), oids: all(CTLS_OID), serialNumber: one(CTLS_SERIAL),
            fingerprint: one(CTLS_FINGERPRINT), validFrom: times[CTLS_NOT_BEFORE] ?? 0,
            expires: times[CTLS_NOT_AFTER] ?? 0, encodedPEM: one(CTLS_PEM), encodedChain: one(CTLS_CHAIN_PEM))
    }

    /// Little-endian.
    private static func number(_ bytes: Span<UInt8>, _ start: Int, bytes count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }

    /// Takes over what CTLS allocated; nil without memory.
    static func take(_ sections: UnsafeMutablePointer<UInt8>?, _ size: Int) -> CertificateDetails? {
        guard let sections = unsafe sections else { return nil }
        // Ours until freed, at the end of this scope, and `size` bytes long.
        defer { unsafe ctls_free(sections) }
        return unsafe CertificateDetails(sections: Span(_unsafeStart: UnsafePointer(sections), count: size))
    }
}

/// The names that a peer's certificate may have. Lent to C as a pointer; whoever makes a session holds the object.
final class NameCheck: Sendable {
    let patterns: [SANPattern]

    init(_ patterns: [SANPattern]) { self.patterns = patterns }

    func allows(_ certificate: CertificateDetails) -> Bool { patterns.contains { $0.matches(certificate) } }

    var text: String { patterns.map(\.text).joined(separator: ", ") }
}

extension String {
    /// What C wrote, up to its NUL.
    init(untilNUL text: [CChar]) {
        self.init(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
