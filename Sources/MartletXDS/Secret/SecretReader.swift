internal import Foundation
internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// Puts what secrets hold where the configuration finds it: as the files that their names stand for. Nothing is written to
/// a disk.
struct SecretReader {
    /// As where they are read without a control plane.
    private static let limit = 1 << 20

    private let diagnostics: ConfigDiagnostics
    private let secrets: [String: SecretMessage]
    private let findings: ReadingFindings
    /// Of a secret.
    private let reading: (SecretMessage) -> ResourceReading

    init(
        _ secrets: [SecretMessage], _ findings: ReadingFindings, diagnostics: ConfigDiagnostics,
        reading: @escaping (SecretMessage) -> ResourceReading
    ) {
        (self.findings, self.diagnostics, self.reading) = (findings, diagnostics, reading)
        self.secrets = Dictionary(secrets.map { ($0.name, $0) }) { first, _ in first }
    }

    func supply() {
        for secret in secrets.values {
            let reading = reading(secret)
            let name = SecretName(secret.name)
            switch secret.type {
            case .tlsCertificate(let certificate):
                let paths = name.certificatePaths
                supply(certificate.certificateChain, as: paths[0], reading)
                supply(certificate.privateKey, as: paths[1], reading)
                if paths.count > 2 {
                    supply(certificate.ocspStaple, as: paths[2], reading)
                } else if certificate.hasOcspStaple {
                    reading.warning("ocsp_staple is ignored")
                }
            case .validationContext(let context):
                let paths = name.paths
                supply(context.trustedCa, as: paths[0], reading)
                if paths.count > 1 {
                    supply(context.crl, as: paths[1], reading)
                } else if context.hasCrl {
                    reading.unsupported("validation_context", "crl")
                }
                if !context.matchTypedSubjectAltNames.isEmpty {
                    reading.unsupported("validation_context", "match_typed_subject_alt_names in a secret")
                }
            case .sessionTicketKeys(let tickets):
                if tickets.keys.count != name.paths.count {
                    reading.unsupported("session_ticket_keys", "\(tickets.keys.count) under this name")
                }
                for (key, path) in zip(tickets.keys, name.paths) { supply(key, as: path, reading) }
            case .genericSecret(let generic): supply(generic.secret, as: name.paths[0], reading)
            case nil: reading.error("there is nothing in it")
            }
        }
    }

    /// Reports the names that nothing came for: what they stand for must not be looked for on this machine.
    func check() {
        for (name, reading) in findings.secrets.sorted(by: { $0.key < $1.key }) where secrets[name] == nil {
            reading.error("there is no secret \"\(name)\"")
        }
    }

    private func supply(_ source: Envoy_Config_Core_V3_DataSource, as path: String, _ reading: ResourceReading) {
        let bytes: [UInt8]
        switch source.specifier {
        case .inlineBytes(let data): bytes = Array(data)
        case .inlineString(let text): bytes = Array(text.utf8)
        case .filename(let file) where reading.origin.isLocal:
            do throws(ConfigFile.Failure) {
                bytes = try diagnostics.files.read(ResourceOrigin.absolute(file), atMost: Self.limit)
            } catch {
                return reading.error("cannot read \"\(file)\": \(error.reason)")
            }
        case .filename: return reading.unsupported("a DataSource", "filename")
        case .environmentVariable: return reading.unsupported("a DataSource", "environment_variable")
        case nil: return reading.error("\(path): there is nothing in it")
        }
        // Where the configuration looks for it.
        for file in findings.secretPlaces[reading.name] ?? [reading.place.mark.file] {
            diagnostics.files.supply(bytes, as: ConfigFile.resolve(path, from: file))
        }
    }
}
