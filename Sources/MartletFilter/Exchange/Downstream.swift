public import MartletHTTP

/// What a filter may know of the client's connection. One object a connection.
public final class Downstream {
    /// `address:port` of the peer as the kernel reports it.
    public let directRemoteAddress: String
    /// The peer's address without port.
    public let directRemoteIP: String
    /// `address:port` the client connected to.
    public let localAddress: String
    public let listener: String
    public let scheme: Scheme
    /// Unique in the process.
    public let connectionID: UInt64

    package init(
        directRemoteAddress: String, directRemoteIP: String, localAddress: String, listener: String, scheme: Scheme,
        connectionID: UInt64
    ) {
        self.directRemoteAddress = directRemoteAddress
        self.directRemoteIP = directRemoteIP
        self.localAddress = localAddress
        self.listener = listener
        self.scheme = scheme
        self.connectionID = connectionID
    }
}
