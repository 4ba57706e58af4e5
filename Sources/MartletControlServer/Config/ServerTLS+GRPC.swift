package import GRPCNIOTransportHTTP2Posix

extension XDSSettings {
    package var security: HTTP2ServerTransport.Posix.TransportSecurity {
        guard let tls else { return .plaintext }
        return .tls(
            certificateChain: [.file(path: tls.certificate, format: .pem)],
            privateKey: .file(path: tls.privateKey, format: .pem)
        ) { settings in
            guard let clientCA = tls.clientCA else { return }
            settings.trustRoots = .certificates([.file(path: clientCA, format: .pem)])
            settings.clientCertificateVerification = .noHostnameVerification
        }
    }
}
