internal import NIOSSL

extension ServerTLS {
    /// Reads the files.
    func server() throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: privateKey, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if let clientCA {
            configuration.trustRoots = .file(clientCA)
            // Who they are is their token's to say; that they may knock, the certificate's.
            configuration.certificateVerification = .noHostnameVerification
        }
        return configuration
    }
}
