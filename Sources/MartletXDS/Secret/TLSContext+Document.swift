internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

// What listeners and clusters say alike about TLS: versions, suites, curves, and the names that certificates must bear.

typealias CommonTLS = Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext
private typealias Parameters = Envoy_Extensions_TransportSockets_Tls_V3_TlsParameters
private typealias Validation = Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext

extension CommonTLS {
    private static let versions: [(String, Parameters.TlsProtocol)] = [("1.2", .tlsv12), ("1.3", .tlsv13)]

    /// Where Debian and its kin, Envoy's own images among them, keep those that the system trusts.
    private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

    mutating func writeParameters(_ tls: DocumentSection) {
        var parameters = Parameters()
        let version = { (key: String) in
            Self.versions.first { $0.0 == tls.text(key) }?.1 ?? .tlsAuto
        }
        parameters.tlsMinimumProtocolVersion = version("min_version")
        parameters.tlsMaximumProtocolVersion = version("max_version")
        parameters.cipherSuites = tls.texts("cipher_suites") ?? []
        parameters.ecdhCurves = tls.texts("curves") ?? []
        if parameters != Parameters() { tlsParams = parameters }
    }

    func readParameters(_ tls: inout DocumentSection, _ reading: ResourceReading) {
        for (key, version) in [
            ("min_version", tlsParams.tlsMinimumProtocolVersion), ("max_version", tlsParams.tlsMaximumProtocolVersion),
        ] where version != .tlsAuto {
            if let text = Self.versions.first(where: { $0.1 == version })?.0 {
                tls[key] = .text(text)
            } else {
                reading.unsupported("tls_params", "\(version)")
            }
        }
        if !tlsParams.cipherSuites.isEmpty { tls["cipher_suites"] = .texts(tlsParams.cipherSuites) }
        if !tlsParams.ecdhCurves.isEmpty { tls["curves"] = .texts(tlsParams.ecdhCurves) }
    }

    // MARK: Whom to trust

    /// - Parameter ca: a path; `system` where that is what a cluster may say.
    mutating func writeTrust(ca: String, isSystem: Bool, crl: String?, names: [String], _ secrets: inout SecretWriter) {
        var validation = Validation()
        validation.matchTypedSubjectAltNames = names.map { .init($0) }
        if isSystem {
            // Envoy takes `system_root_certs` for nothing at all, and refuses names beside it.
            validation.trustedCa.filename = Self.systemAuthorities
            validationContext = validation
        } else if names.isEmpty {
            validationContextSdsSecretConfig = secrets.trust(ca: ca, crl: crl)
        } else {
            combinedValidationContext.defaultValidationContext = validation
            combinedValidationContext.validationContextSdsSecretConfig = secrets.trust(ca: ca, crl: crl)
        }
    }

    /// - Parameter ca: the key under which the authorities stand.
    func readTrust(_ ca: String, _ tls: inout DocumentSection, _ reading: ResourceReading) {
        func put(_ reference: SecretReference) {
            reading.findings.add(reference, reading)
            let paths = SecretName(reference.name).paths
            tls[ca] = .text(paths[0])
            if paths.count > 1 { tls["crl"] = .text(paths[1]) }
        }
        var validation = Validation()
        switch validationContextType {
        case .validationContextSdsSecretConfig(let reference): put(reference)
        case .combinedValidationContext(let combined):
            put(combined.validationContextSdsSecretConfig)
            validation = combined.defaultValidationContext
            if validation.hasTrustedCa || validation.hasCrl || validation.hasSystemRootCerts {
                reading.unsupported("default_validation_context", "whom to trust, beside a secret")
            }
        case .validationContext(let own):
            validation = own
            let isSystem = own.hasSystemRootCerts || own.trustedCa.specifier == .filename(Self.systemAuthorities)
            if isSystem { tls[ca] = .text("system") }
            if own.hasTrustedCa, !isSystem, let path = reading.path(own.trustedCa, in: "validation_context.trusted_ca")
            {
                tls[ca] = .text(path)
            }
            if own.hasCrl, let path = reading.path(own.crl, in: "validation_context.crl") { tls["crl"] = .text(path) }
        case nil: break
        }
        let names = validation.matchTypedSubjectAltNames.compactMap { $0.text(reading) }
        if !names.isEmpty { tls["verify_san"] = .texts(names) }
    }
}

extension Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher {
    /// `api.example.com`, `*.example.com`, `10.0.0.1`, `spiffe://mesh.example/ns/shop/*`.
    init(_ text: String) {
        self.init()
        if text.contains("://") {
            sanType = .uri
            if text.hasSuffix("*") {
                matcher.prefix = String(text.dropLast())
            } else {
                matcher.exact = text
            }
        } else if IPText.ipv4(text[...]) != nil || IPText.ipv6(text[...]) != nil {
            sanType = .ipAddress
            matcher.exact = text
        } else {
            sanType = .dns
            if text.hasPrefix("*.") {
                matcher.suffix = String(text.dropFirst())
            } else {
                matcher.exact = text
            }
        }
    }

    fileprivate func text(_ reading: ResourceReading) -> String? {
        switch (sanType, matcher.matchPattern) {
        case (.uri, .exact(let text)), (.dns, .exact(let text)), (.ipAddress, .exact(let text)): return text
        case (.uri, .prefix(let text)) where text.hasSuffix("/"): return text + "*"
        case (.dns, .suffix(let text)) where text.hasPrefix("."): return "*" + text
        default:
            reading.unsupported("match_typed_subject_alt_names", "a matcher of \(sanType) that is no name or pattern")
            return nil
        }
    }
}
