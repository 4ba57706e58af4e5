/// A file that a configuration names and others read, and where it was named: what is wrong with it is reported there.
/// The path is absolute or starts where the configuration file's does.
package struct FileReference: Sendable, Hashable, CustomStringConvertible {
    package var path: String
    package var place: ConfigPlace

    package var description: String { path }
    package static func == (left: FileReference, right: FileReference) -> Bool { left.path == right.path }
    package func hash(into hasher: inout Hasher) { hasher.combine(path) }
}

/// A certificate, PEM with those of its issuers behind it, and its key.
package struct CertificateConfig: Sendable, Equatable {
    package var certificate: FileReference
    package var privateKey: FileReference
    /// A DER OCSP response to staple. Nil: none.
    package var ocspStaple: FileReference?

    package var files: [FileReference] { [certificate, privateKey] + (ocspStaple.map { [$0] } ?? []) }
}

extension ConfigSection {
    /// The path under `key`, resolved, with its place. The file is not looked at.
    func fileReference(_ key: String) -> FileReference? {
        path(key).map { FileReference(path: $0, place: place(of: key)) }
    }
}

extension CertificateConfig {
    /// Reads `certificate`, `private_key` and, where one can be, `ocsp_staple`. Nil when there is none, and after reporting
    /// what is wrong.
    init?(_ section: ConfigSection, staples: Bool) {
        let certificate = section.fileReference("certificate")
        let privateKey = section.fileReference("private_key")
        ocspStaple = staples ? section.fileReference("ocsp_staple") : nil
        for (key, other) in [("certificate", "private_key"), ("private_key", "certificate")]
        where section.has(key) && !section.has(other) {
            section.missing(other, hint: "\"certificate\" and \"private_key\" belong together")
        }
        if staples, section.has("ocsp_staple"), !section.has("certificate"), !section.has("private_key") {
            section.error(at: "ocsp_staple", "has no meaning without \"certificate\"")
        }
        guard let certificate, let privateKey else { return nil }
        self.certificate = certificate
        self.privateKey = privateKey
    }

    /// The items of `certificates`.
    static func list(_ section: ConfigSection) -> [CertificateConfig] {
        if section.raw("certificates")?.items?.isEmpty == true {
            section.error(
                at: "certificates", "an empty list identifies nobody",
                hint: "certificates: [{ certificate: a.pem, private_key: a.key }]")
        }
        var seen: Set<FileReference> = []
        return section.sections("certificates").compactMap { item in
            guard let certificate = CertificateConfig(item, staples: true) else {
                if !item.has("certificate"), !item.has("private_key") {
                    item.missing("certificate", hint: "expected the path of a PEM file")
                }
                return nil
            }
            if !seen.insert(certificate.certificate).inserted {
                item.error(at: "certificate", "\"\(certificate.certificate.path.prefix(200))\" twice", hint: "keep one")
            }
            return certificate
        }
    }

    var members: [(String, ConfigJSON?)] {
        [
            ("certificate", .string(certificate.path)), ("private_key", .string(privateKey.path)),
            ("ocsp_staple", ocspStaple.map { .string($0.path) }),
        ]
    }
}
