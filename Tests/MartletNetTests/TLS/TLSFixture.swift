import MartletCore
import MartletTesting

@testable import MartletNet

/// Contexts that most tests want, to be changed a little.
enum TLSFixture {
    static let forge = CertificateForge.shared

    static func file(_ issued: CertificateForge.Issued) -> TLSFile {
        TLSFile(name: "ca.pem", bytes: issued.certificate)
    }

    /// A server of `a.test`, or of what `change` says.
    static func server(_ change: (inout TLSServerSettings) throws -> Void = { _ in }) throws -> TLSServerContext {
        var settings = TLSServerSettings(certificates: [TLSCertificateFiles(try forge.server("a.test"))])
        try change(&settings)
        return try TLSServerContext(settings)
    }

    static func client(_ change: (inout TLSClientSettings) throws -> Void = { _ in }) throws -> TLSClientContext {
        var settings = TLSClientSettings()
        settings.trust = .authorities(file(try forge.authority()))
        try change(&settings)
        return try TLSClientContext(settings)
    }

    /// Somebody who trusts the forge's authority and wants `a.test`.
    static func target(
        _ version: TLSDetails.Version = .tls13, serverName: String? = "a.test", names: [SANPattern]? = [.dns("a.test")],
        _ change: (inout TLSClientSettings) throws -> Void = { _ in }
    ) throws -> TLSClientTarget {
        let context = try client {
            $0.choices.maxVersion = version
            try change(&$0)
        }
        return TLSClientTarget(context, serverName: serverName, names: names)
    }
}
