internal import CTLS
package import MartletCore

/// A certificate with those of its issuers behind it, its key, and maybe an OCSP response to staple.
package struct TLSCertificateFiles: Sendable, Equatable {
    /// PEM.
    package var chain: TLSFile
    /// PEM, not encrypted.
    package var key: TLSFile
    /// DER.
    package var staple: TLSFile?

    package init(chain: TLSFile, key: TLSFile, staple: TLSFile? = nil) {
        self.chain = chain
        self.key = key
        self.staple = staple
    }
}

/// The versions, suites and groups that a handshake may settle on.
package struct TLSChoices: Sendable, Equatable {
    /// Default: 1.2.
    package var minVersion = TLSDetails.Version.tls12
    /// Default: 1.3.
    package var maxVersion = TLSDetails.Version.tls13
    /// Of TLS 1.2, best first, in OpenSSL's names. Default: ECDHE with an AEAD (RFC 9325 section 4.2).
    package var cipherSuites = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ]
    /// Best first, in OpenSSL's names.
    package var curves = ["X25519", "P-256", "P-384"]

    package init() {}
}

extension TLSDetails.Version {
    var number: Int32 {
        switch self {
        case .tls12: Int32(CTLS_TLS12)
        case .tls13: Int32(CTLS_TLS13)
        }
    }
}

/// OpenSSL's certificate and key, on their way into a context.
@safe
final class TLSIdentity {
    /// Ours until it is taken.
    private var identity: OpaquePointer?
    let details: CertificateDetails
    private(set) var warnings: [TLSWarning] = []

    /// - Parameter now: seconds since 1970.
    init(_ files: TLSCertificateFiles, now: Int64) throws(TLSFault) {
        var code: Int32 = 0
        var why = [CChar](repeating: 0, count: 128)
        let (chain, key) = (files.chain.bytes, files.key.bytes)
        let made = unsafe ctls_identity_make(chain, chain.count, key, key.count, &code, &why, why.count)
        guard let identity = unsafe made else {
            throw Self.fault(files, code, String(untilNUL: why))
        }
        var size = 0
        let sections = unsafe ctls_identity_describe(identity, &size)
        guard let details = unsafe CertificateDetails.take(sections, size) else {
            unsafe ctls_identity_free(identity)
            throw TLSFault(files.chain.name, .refused)
        }
        unsafe self.identity = identity
        self.details = details
        if details.expires < now {
            warn(files.chain, .expiredCertificate(since: details.expires))
        } else if details.validFrom > now {
            warn(files.chain, .certificateNotYetValid(until: details.validFrom))
        }
        if let staple = files.staple { try add(staple, to: files) }
    }

    deinit { unsafe ctls_identity_free(identity) }

    private func warn(_ file: TLSFile, _ problem: TLSWarning.Problem) {
        warnings.append(TLSWarning(file: file.name, problem: problem))
    }

    private func add(_ staple: TLSFile, to files: TLSCertificateFiles) throws(TLSFault) {
        switch Int(unsafe ctls_identity_staple(identity, staple.bytes, staple.bytes.count)) {
        case CTLS_FINE: break
        case CTLS_EXPIRED_STAPLE: warn(staple, .expiredStaple)
        case CTLS_REVOKED_STAPLE: warn(staple, .revokedCertificate)
        case CTLS_UNSUCCESSFUL_STAPLE: throw TLSFault(staple.name, .unsuccessfulStaple)
        case CTLS_FOREIGN_STAPLE: throw TLSFault(staple.name, .foreignStaple(certificate: files.chain.name))
        default: throw TLSFault(staple.name, .malformedStaple)
        }
    }

    /// The caller frees it, or gives it to a context, which does.
    func take() -> OpaquePointer? { unsafe identity.take() }

    private static func fault(_ files: TLSCertificateFiles, _ code: Int32, _ why: String) -> TLSFault {
        let (chain, key) = (files.chain.name, files.key.name)
        return switch Int(code) {
        case CTLS_NO_CERTIFICATE: TLSFault(chain, .noCertificate)
        case CTLS_BAD_CERTIFICATE: TLSFault(chain, .malformedCertificate(why))
        case CTLS_NO_KEY: TLSFault(key, .noKey)
        case CTLS_ENCRYPTED_KEY: TLSFault(key, .encryptedKey)
        case CTLS_BAD_KEY: TLSFault(key, .malformedKey(why))
        case CTLS_WEAK_KEY: TLSFault(key, .weakKey)
        case CTLS_UNKNOWN_KEY: TLSFault(key, .unknownKey)
        case CTLS_KEY_MISMATCH: TLSFault(key, .keyMismatch(certificate: chain))
        default: TLSFault(chain, .refused)
        }
    }
}

extension CertificateDetails {
    /// The DNS names that a server of this certificate answers to, lower case; its common names when it has none.
    var servedNames: [String] {
        (dnsSANs.isEmpty ? commonNames : dnsSANs).map { $0.lowercased() }.filter { !$0.isEmpty && !$0.utf8.contains(0) }
    }
}
