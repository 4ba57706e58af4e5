internal import MartletConfig
internal import MartletCore
internal import MartletNet

/// How a cluster's endpoints are spoken to over TLS.
package final class ClusterTLS: Sendable {
    private let context: TLSClientContext
    private let serverName: String?
    private let names: [SANPattern]
    /// Sessions are taken up again.
    let resumesSessions: Bool

    private init(_ context: TLSClientContext, _ config: ClusterTLSConfig) {
        self.context = context
        serverName = config.sni
        names = config.verifySAN
        resumesSessions = config.sessionResumption
    }

    /// Nil after reporting what is wrong.
    static func make(
        _ config: ClusterTLSConfig, _ proto: ClusterConfig.UpstreamProtocol, at place: ConfigPlace,
        _ diagnostics: ConfigDiagnostics
    ) -> ClusterTLS? {
        let reader = TLSFileReader(diagnostics: diagnostics)
        var settings = TLSClientSettings()
        settings.choices = TLSChoices(config.parameters)
        settings.alpn =
            switch proto {
            case .http1: ["http/1.1"]
            case .http2: ["h2"]
            case .auto: ["h2", "http/1.1"]
            }
        if let own = config.certificate {
            guard let files = reader.certificate(own) else { return nil }
            settings.certificate = files
        }
        if config.verify {
            switch config.ca {
            case .file(let file):
                guard let authorities = reader.read(file) else { return nil }
                settings.trust = .authorities(authorities)
            case .system: settings.trust = .system
            case nil: break
            }
        }
        do throws(TLSFault) {
            let context = try TLSClientContext(settings)
            reader.warn(context.warnings, among: config.files, at: place)
            return ClusterTLS(context, config)
        } catch {
            reader.report(error, among: config.files, at: place)
            return nil
        }
    }

    /// Whom a connection to `endpoint` is meant for. Where nothing says what the certificate is to be for, it is the address.
    /// - Parameter isHTTP: otherwise a client's bytes are passed on, and which protocol they are is not ours to say.
    func target(for endpoint: Endpoint, isHTTP: Bool) -> TLSClientTarget {
        var names = self.names
        if names.isEmpty, let address = IPAddress(endpoint.address.host) { names = [.ip(address)] }
        // Without a name to look for, as at a unix socket, nobody's certificate is the right one.
        return TLSClientTarget(context, serverName: serverName, names: names, offersProtocols: isHTTP)
    }
}
