internal import CTLS

/// A file by its name, for messages, and what it holds.
package struct TLSFile: Sendable, Equatable {
    package var name: String
    package var bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// What is wrong with the certificates, keys and lists that a context is made of.
package struct TLSFault: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Problem: Sendable, Equatable {
        /// Not PEM, or PEM of something else.
        case noCertificate
        /// Begins as a certificate and is none; OpenSSL's words.
        case malformedCertificate(String)
        /// None of the certificates is an authority's.
        case noAuthority
        case noKey
        /// Nobody is there to give the password.
        case encryptedKey
        case malformedKey(String)
        /// Less than 2048 bits of RSA, less than 224 of a curve.
        case weakKey
        /// Not RSA, ECDSA or EdDSA.
        case unknownKey
        case keyMismatch(certificate: String)
        case noRevocationList
        case malformedRevocationList
        case malformedStaple
        case unsuccessfulStaple
        case foreignStaple(certificate: String)
        case unknownCipherSuites
        case unknownCurves
        /// Neither 48 nor 80 bytes.
        case malformedTicketKey
        case tooManyTicketKeys
        /// OpenSSL would not have it, or there is no memory.
        case refused
    }

    /// The file; empty when it is none's.
    package let file: String
    package let problem: Problem

    package var description: String { file.isEmpty ? problem.text : "\(file): \(problem.text)" }

    /// How to mend it, where that is known.
    package var hint: String? { problem.hint(file) }

    init(_ file: String, _ problem: Problem) {
        self.file = file
        self.problem = problem
    }

    /// Nil when `code` is no problem of a list of authorities, a revocation list or a name.
    init?(_ file: String, code: Int32) {
        switch Int(code) {
        case CTLS_FINE: return nil
        case CTLS_NO_CERTIFICATE: self.init(file, .noCertificate)
        case CTLS_BAD_CERTIFICATE: self.init(file, .malformedCertificate(""))
        case CTLS_NO_AUTHORITY: self.init(file, .noAuthority)
        case CTLS_NO_CRL: self.init(file, .noRevocationList)
        case CTLS_BAD_CRL: self.init(file, .malformedRevocationList)
        case CTLS_BAD_CIPHERS: self.init(file, .unknownCipherSuites)
        case CTLS_BAD_GROUPS: self.init(file, .unknownCurves)
        default: self.init(file, .refused)
        }
    }
}

/// What is worth a word and no reason to refuse.
package struct TLSWarning: Sendable, Equatable, CustomStringConvertible {
    package enum Problem: Sendable, Equatable {
        /// Its time is over. Seconds since 1970.
        case expiredCertificate(since: Int64)
        case certificateNotYetValid(until: Int64)
        /// Not stapled.
        case expiredStaple
        /// Stapled all the same: clients are to know.
        case revokedCertificate
    }

    package let file: String
    package let problem: Problem

    package var description: String { "\(file): \(problem.text)" }
}

extension TLSFault.Problem {
    fileprivate var text: String {
        switch self {
        case .noCertificate: "has no certificate in PEM form"
        case .malformedCertificate(let why):
            "has a certificate that cannot be read\(why.isEmpty ? "" : ": ")\(why)"
        case .noAuthority: "has certificates, but none of an authority"
        case .noKey: "has no private key in PEM form"
        case .encryptedKey: "has a private key that is encrypted"
        case .malformedKey(let why): "has a private key that cannot be read: \(why)"
        case .weakKey: "has a private key that is too weak: RSA needs 2048 bits, a curve 224"
        case .unknownKey: "has a private key of an unknown kind: RSA, ECDSA or EdDSA are known"
        case .keyMismatch(let certificate): "is not the private key of the certificate in \(certificate)"
        case .noRevocationList: "has no revocation list in PEM form"
        case .malformedRevocationList: "has a revocation list that cannot be read"
        case .malformedStaple: "is not an OCSP response in DER form"
        case .unsuccessfulStaple: "is an OCSP response that answers nothing"
        case .foreignStaple(let certificate):
            "is an OCSP response about another certificate than that in \(certificate)"
        case .unknownCipherSuites: "none of the cipher suites is known to this machine's OpenSSL"
        case .unknownCurves: "one of the curves is not known to this machine's OpenSSL"
        case .malformedTicketKey: "is not a ticket key of 48 or 80 bytes"
        case .tooManyTicketKeys: "there are more than 16 ticket keys"
        case .refused: "was refused by OpenSSL"
        }
    }
}

extension TLSFault.Problem {
    fileprivate func hint(_ file: String) -> String? {
        switch self {
        case .noCertificate, .malformedCertificate:
            "from DER: openssl x509 -inform der -in \(file) -out PEM_FILE"
        case .noAuthority: "an authority's certificate has basicConstraints CA:TRUE"
        case .noKey: "it begins with -----BEGIN PRIVATE KEY-----; from DER: openssl pkey -inform der -in \(file)"
        case .encryptedKey: "nobody is there to give the password: openssl pkey -in \(file) -out KEY_FILE"
        case .weakKey, .unknownKey: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out KEY_FILE"
        case .keyMismatch(let certificate):
            "of both the same must come: openssl pkey -in \(file) -pubout; openssl x509 -in \(certificate) -noout -pubkey"
        case .noRevocationList, .malformedRevocationList: "from DER: openssl crl -inform der -in \(file) -out PEM_FILE"
        case .unsuccessfulStaple, .malformedStaple, .foreignStaple:
            "openssl ocsp -respout STAPLE_FILE asks the issuer's responder for one"
        case .malformedTicketKey: "openssl rand -out \(file) 80"
        case .malformedKey, .unknownCipherSuites, .unknownCurves, .tooManyTicketKeys, .refused: nil
        }
    }
}

extension TLSWarning.Problem {
    fileprivate var text: String {
        switch self {
        case .expiredCertificate: "has a certificate that has expired"
        case .certificateNotYetValid: "has a certificate that is not valid yet"
        case .expiredStaple: "is an OCSP response that has expired; it is not stapled"
        case .revokedCertificate: "says that the certificate is revoked"
        }
    }
}
