internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

extension ClusterConfig {
    /// What an endpoint is told before everything else; nil when it is told nothing.
    /// - Parameters:
    ///   - client: nil for a connection of our own, such as a health check.
    ///   - serverName: what the client asked for in TLS that passes through.
    func proxyHeader(for client: Downstream?, serverName: String? = nil) -> ProxyHeader? {
        guard let proxyProtocol else { return nil }
        let version: ProxyHeader.Version = proxyProtocol == .v1 ? .v1 : .v2
        guard let client else { return ProxyHeader(version, .local) }
        let name = serverName ?? client.tls?.serverName
        let alpn = client.tls?.alpn.map { Array($0.utf8) }
        guard let source = SocketAddress(ip: client.directRemoteIP, port: client.directRemotePort),
            let destination = SocketAddress(text: client.localAddress), destination.family != .unix
        else { return ProxyHeader(version, .unknown, authority: name, alpn: alpn) }
        return ProxyHeader(
            version, .known(source: source, destination: destination), authority: name, alpn: alpn)
    }
}
