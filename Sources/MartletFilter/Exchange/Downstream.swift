public import MartletCore
public import MartletHTTP

/// What a filter may know of the client's connection. One object a connection.
public final class Downstream {
    /// The peer's address as the kernel reports it, without port.
    public let directRemoteIP: String
    /// Zero for a unix socket.
    public let directRemotePort: UInt16
    /// `address:port` the client connected to.
    public let localAddress: String
    public let listener: String
    public let scheme: Scheme
    /// Unique in the process.
    public let connectionID: UInt64
    /// What the handshake settled; nil on a plain connection.
    public let tls: TLSDetails?
    /// The element of `x-forwarded-client-cert` for this client, made at its first request, and of what. Read and written by
    /// the connection's worker alone.
    package var forwardedCertificate: (details: UInt8, element: [UInt8])?

    package init(
        directRemoteIP: String, directRemotePort: UInt16, localAddress: String, listener: String, scheme: Scheme,
        connectionID: UInt64, tls: TLSDetails? = nil
    ) {
        self.directRemoteIP = directRemoteIP
        self.directRemotePort = directRemotePort
        self.localAddress = localAddress
        self.listener = listener
        self.scheme = scheme
        self.connectionID = connectionID
        self.tls = tls
    }

    /// `address:port` of the peer.
    public var directRemoteAddress: String {
        directRemoteIP.utf8.contains(0x3A)
            ? "[\(directRemoteIP)]:\(directRemotePort)" : "\(directRemoteIP):\(directRemotePort)"
    }

    /// The same connection, whose listener goes by another name.
    package func at(listener: String) -> Downstream {
        Downstream(
            directRemoteIP: directRemoteIP, directRemotePort: directRemotePort, localAddress: localAddress,
            listener: listener, scheme: scheme, connectionID: connectionID, tls: tls)
    }

    /// The same connection once its handshake is over.
    package func secured(by tls: TLSDetails) -> Downstream {
        Downstream(
            directRemoteIP: directRemoteIP, directRemotePort: directRemotePort, localAddress: localAddress,
            listener: listener, scheme: .https, connectionID: connectionID, tls: tls)
    }

    /// The same connection, on behalf of whom a proxy in front names.
    package func forwarded(for ip: String, port: UInt16, to address: String) -> Downstream {
        Downstream(
            directRemoteIP: ip, directRemotePort: port, localAddress: address, listener: listener, scheme: scheme,
            connectionID: connectionID, tls: tls)
    }
}
