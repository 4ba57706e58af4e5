internal import CMartletModule
internal import MartletCore
public import MartletHTTP

/// What a filter may know of the client's connection; see the proxy's. A copy of what it is.
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

    init?(of exchange: OpaquePointer) {
        var peer = martlet_borrowed_peer()
        guard unsafe martlet_of_host().pointee.exchange_peer(exchange, &peer) else { return nil }
        directRemotePort = peer.port
        scheme = peer.scheme == UInt32(MARTLET_HTTPS) ? .https : .http
        connectionID = peer.connection
        directRemoteIP = Border.text { unsafe martlet_of_host().pointee.exchange_peer_ip(exchange, $0) } ?? ""
        localAddress = Border.text { unsafe martlet_of_host().pointee.exchange_local_address(exchange, $0) } ?? ""
        listener = Border.text { unsafe martlet_of_host().pointee.exchange_listener(exchange, $0) } ?? ""
    }

    /// `address:port` of the peer.
    public var directRemoteAddress: String {
        directRemoteIP.utf8.contains(0x3A)
            ? "[\(directRemoteIP)]:\(directRemotePort)" : "\(directRemoteIP):\(directRemotePort)"
    }
}
