internal import Foundation
internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias SecretMessage = Envoy_Extensions_TransportSockets_Tls_V3_Secret
typealias SecretReference = Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig

/// Makes the resources of SDS from the files that a configuration names: what they hold travels, for the proxy has no such
/// files. Each secret is made once, whoever needs it.
struct SecretWriter {
    /// What holds for one file is 1 MiB, as where they are read without a control plane.
    private static let limit = 1 << 20

    private let sources: ConfigSources
    private let diagnostics: ConfigDiagnostics
    private let place: ConfigPlace
    private(set) var secrets: [SecretMessage] = []
    private var names: Set<String> = []

    /// - Parameter place: of the document; relative paths begin at its folder.
    init(_ diagnostics: ConfigDiagnostics, place: ConfigPlace) {
        (sources, self.diagnostics, self.place) = (diagnostics.files, diagnostics, place)
    }

    /// `certificate`, `private_key` and `ocsp_staple` of a section; nil where there is none.
    mutating func certificate(_ section: DocumentSection) -> SecretReference? {
        guard let certificate = section.text("certificate"), let key = section.text("private_key") else { return nil }
        let staple = section.text("ocsp_staple")
        return add(paths: [certificate, key] + (staple.map { [$0] } ?? [])) { secret, contents in
            secret.tlsCertificate.certificateChain = contents[0]
            secret.tlsCertificate.privateKey = contents[1]
            if contents.count > 2 { secret.tlsCertificate.ocspStaple = contents[2] }
        }
    }

    /// Whom to trust.
    mutating func trust(ca: String, crl: String?) -> SecretReference {
        add(paths: [ca] + (crl.map { [$0] } ?? [])) { secret, contents in
            secret.validationContext.trustedCa = contents[0]
            if contents.count > 1 { secret.validationContext.crl = contents[1] }
        }
    }

    mutating func ticketKeys(_ paths: [String]) -> SecretReference {
        add(paths: paths) { secret, contents in secret.sessionTicketKeys.keys = contents }
    }

    /// The files that a filter's settings name, by the names of the secrets that hold them. Only the filter knows which of its
    /// settings are files; but the load has read them by then, and nothing else of that name.
    mutating func files(in settings: Document) -> [String] {
        switch settings {
        case .null: return []
        case .scalar(let path, _):
            guard sources.hasRead(ConfigFile.resolve(path, from: place.mark.file)) else { return [] }
            return [add(paths: [path]) { secret, contents in secret.genericSecret.secret = contents[0] }.name]
        case .list(let items): return items.flatMap { files(in: $0) }
        case .section(let section): return section.entries.flatMap { files(in: $0.value) }
        }
    }

    private mutating func add(
        paths: [String], _ fill: (inout SecretMessage, [Envoy_Config_Core_V3_DataSource]) -> Void
    ) -> SecretReference {
        let name = SecretName(paths: paths).text
        if names.insert(name).inserted {
            var secret = SecretMessage()
            secret.name = name
            fill(&secret, paths.map(content))
            secrets.append(secret)
        }
        return .with {
            $0.name = name
            $0.sdsConfig = .aggregated
        }
    }

    private func content(_ path: String) -> Envoy_Config_Core_V3_DataSource {
        let path = ConfigFile.resolve(path, from: place.mark.file)
        do {
            let bytes = try sources.read(path, atMost: Self.limit)
            return .with { $0.inlineBytes = Data(bytes) }
        } catch {
            diagnostics.error(at: place, "cannot read \"\(path)\": \(error.reason)")
            return .init()
        }
    }
}
