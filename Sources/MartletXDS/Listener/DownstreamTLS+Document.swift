internal import MartletXDSMessages
internal import SwiftProtobuf

typealias DownstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext

// A listener's `tls`.

extension DownstreamTLS {
    private static let webProtocols = ["h2", "http/1.1"]

    init(_ tls: DocumentSection, isTCP: Bool, _ secrets: inout SecretWriter) {
        self.init()
        commonTlsContext.writeParameters(tls)
        commonTlsContext.alpnProtocols = tls.texts("alpn") ?? (isTCP ? [] : Self.webProtocols)
        for section in tls.list("certificates")?.compactMap(\.section) ?? [tls] {
            guard let reference = secrets.certificate(section) else { continue }
            commonTlsContext.tlsCertificateSdsSecretConfigs.append(reference)
        }
        if let ca = tls.text("client_ca") {
            commonTlsContext.writeTrust(
                ca: ca, isSystem: false, crl: tls.text("crl"), names: tls.texts("verify_san") ?? [], &secrets)
            requireClientCertificate = .init(tls.bool("require_client_certificate") ?? true)
        }
        if tls.text("session_tickets") == "off" {
            disableStatelessSessionResumption = true
        } else if let keys = tls.section("session_tickets")?.texts("keys"), !keys.isEmpty {
            sessionTicketKeysSdsSecretConfig = secrets.ticketKeys(keys)
        }
    }

    func document(isTCP: Bool, _ reading: ResourceReading) -> DocumentSection {
        var tls = DocumentSection()
        let common = commonTlsContext
        common.readParameters(&tls, reading)
        let protocols = common.alpnProtocols
        if isTCP {
            if !protocols.isEmpty { tls["alpn"] = .texts(protocols) }
        } else if protocols != Self.webProtocols {
            // Without ALPN clients speak HTTP/1.1.
            tls["alpn"] = .texts(protocols.isEmpty ? ["http/1.1"] : protocols)
        }
        var certificates = common.tlsCertificates.map { $0.document(reading) }
        for reference in common.tlsCertificateSdsSecretConfigs {
            reading.findings.add(reference, reading)
            var certificate = DocumentSection()
            certificate.putCertificate(SecretName(reference.name))
            certificates.append(certificate)
        }
        if certificates.count == 1 {
            for entry in certificates[0].entries { tls[entry.key] = entry.value }
        } else if certificates.count > 1 {
            tls["certificates"] = .list(certificates.map { .section($0) })
        }
        common.readTrust("client_ca", &tls, reading)
        let isRequired = hasRequireClientCertificate && requireClientCertificate.value
        if tls["client_ca"] == nil {
            if isRequired { reading.unsupported("require_client_certificate", "without anybody to trust") }
        } else if !isRequired {
            tls["require_client_certificate"] = .bool(false)
        }
        switch sessionTicketKeysType {
        case .disableStatelessSessionResumption(let isMeant): if isMeant { tls["session_tickets"] = .word("off") }
        case .sessionTicketKeysSdsSecretConfig(let reference):
            reading.findings.add(reference, reading)
            tls["session_tickets"] = .object(("keys", .texts(SecretName(reference.name).paths)))
        case .sessionTicketKeys: reading.unsupported("session_ticket_keys", "keys that are no secret")
        case nil: break
        }
        return tls
    }
}
