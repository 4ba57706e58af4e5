internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias TransportSocketMessage = Envoy_Config_Core_V3_TransportSocket
private typealias UpstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
private typealias ProxyProtocolTransport =
    Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport
private typealias RawBuffer = Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer

// What stands between a cluster's HTTP and its sockets: `tls`, and around it `proxy_protocol`.

extension TransportSocketMessage {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = Google_Protobuf_Any(of: config)
    }

    /// Nil: clear text and nothing else.
    init?(cluster: DocumentSection, _ secrets: inout SecretWriter) {
        let tls = cluster.section("tls").map { UpstreamTLS($0, &secrets) }
        let inner = tls.map { TransportSocketMessage("envoy.transport_sockets.tls", $0) }
        guard let version = cluster.text("proxy_protocol") else {
            guard let inner else { return nil }
            self = inner
            return
        }
        var transport = ProxyProtocolTransport()
        transport.config.version = version == "v2" ? .v2 : .v1
        transport.transportSocket =
            inner ?? TransportSocketMessage("envoy.transport_sockets.raw_buffer", RawBuffer())
        self.init("envoy.transport_sockets.upstream_proxy_protocol", transport)
    }

    func read(cluster: inout DocumentSection, _ reading: ResourceReading) {
        if typedConfig.isA(ProxyProtocolTransport.self) {
            guard let transport = reading.unpack(typedConfig, as: ProxyProtocolTransport.self, in: "transport_socket")
            else { return }
            // One around another would go on as deep as somebody likes.
            guard cluster["proxy_protocol"] == nil else {
                reading.unsupported("transport_socket", "a PROXY header within another")
                return
            }
            cluster["proxy_protocol"] = .text(transport.config.version == .v2 ? "v2" : "v1")
            transport.transportSocket.read(cluster: &cluster, reading)
        } else if !typedConfig.isA(RawBuffer.self) {
            guard let tls = reading.unpack(typedConfig, as: UpstreamTLS.self, in: "transport_socket") else { return }
            cluster["tls"] = .section(tls.document(reading))
        }
    }
}

extension UpstreamTLS {
    fileprivate init(_ tls: DocumentSection, _ secrets: inout SecretWriter) {
        self.init()
        sni = tls.text("sni") ?? ""
        commonTlsContext.writeParameters(tls)
        if let certificate = secrets.certificate(tls) {
            commonTlsContext.tlsCertificateSdsSecretConfigs = [certificate]
        }
        if let ca = tls.text("ca"), tls.bool("verify") != false {
            // Without names of its own a cluster checks the one it asks for, which Envoy does not.
            let names = tls.texts("verify_san") ?? tls.text("sni").map { [$0] } ?? []
            commonTlsContext.writeTrust(ca: ca, isSystem: ca == "system", crl: nil, names: names, &secrets)
        }
        if tls.bool("session_resumption") == false { maxSessionKeys = .init(0) }
    }

    fileprivate func document(_ reading: ResourceReading) -> DocumentSection {
        var tls = DocumentSection()
        if !sni.isEmpty { tls["sni"] = .text(sni) }
        let common = commonTlsContext
        common.readParameters(&tls, reading)
        common.readTrust("ca", &tls, reading)
        if !sni.isEmpty, tls.texts("verify_san") == [sni] { tls["verify_san"] = nil }
        if common.tlsCertificates.count + common.tlsCertificateSdsSecretConfigs.count > 1 {
            reading.unsupported("tls_certificates", "more than one")
        }
        if let certificate = common.tlsCertificates.first {
            for entry in certificate.document(reading).entries { tls[entry.key] = entry.value }
        }
        if let reference = common.tlsCertificateSdsSecretConfigs.first {
            reading.findings.add(reference, reading)
            tls.putCertificate(SecretName(reference.name))
        }
        // What a cluster offers by ALPN follows from its protocol.
        if !common.alpnProtocols.isEmpty {
            reading.warning("alpn_protocols: the cluster's protocol decides, they are ignored")
        }
        if hasMaxSessionKeys, maxSessionKeys.value == 0 { tls["session_resumption"] = .bool(false) }
        // Nobody to trust is what Envoy takes for "anybody"; here that has to be said.
        if tls["ca"] == nil { tls["verify"] = .bool(false) }
        return tls
    }
}

extension Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate {
    /// One that stands where it is used, and not under a name.
    func document(_ reading: ResourceReading) -> DocumentSection {
        var certificate = DocumentSection()
        for (key, source, field) in [
            ("certificate", certificateChain, "certificate_chain"), ("private_key", privateKey, "private_key"),
        ] {
            if let path = reading.path(source, in: "tls_certificates.\(field)") { certificate[key] = .text(path) }
        }
        if hasOcspStaple, let path = reading.path(ocspStaple, in: "tls_certificates.ocsp_staple") {
            certificate["ocsp_staple"] = .text(path)
        }
        return certificate
    }
}

extension DocumentSection {
    /// `certificate`, `private_key` and, where it has one, `ocsp_staple`.
    mutating func putCertificate(_ name: SecretName) {
        for (key, path) in zip(["certificate", "private_key", "ocsp_staple"], name.certificatePaths) {
            self[key] = .text(path)
        }
    }
}
