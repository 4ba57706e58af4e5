/// What a session announces to its peer, and how it uses the connection. One object shared by all sessions of a listener
/// or cluster.
package final class HTTP2Settings: Sendable {
    /// Streams the peer may have open at once. Server role only. Default 100.
    package let maxConcurrentStreams: UInt32
    /// How much of one stream's body the peer may send before we have consumed it. 65,535 to 2^31-1; default 256 KiB.
    package let streamWindow: UInt32
    /// The same for all streams of a connection together, and so the most memory that bodies nobody takes can occupy.
    /// 65,535 to 2^31-1; default 1 MiB.
    package let connectionWindow: UInt32
    /// Our decoder's HPACK table. Default 4,096 bytes, which is the protocol's.
    package let decoderTable: UInt32
    /// The most our encoder's HPACK table grows to, whatever the peer allows. Default 4,096 bytes.
    package let encoderTable: UInt32
    /// Extended CONNECT (RFC 8441): a server announces it. Default true.
    package let allowsExtendedConnect: Bool
    /// Streams a client opens before the server has said how many it takes. Default 100.
    package let assumedPeerStreams: UInt32

    package init(
        maxConcurrentStreams: UInt32 = 100, streamWindow: UInt32 = 262_144, connectionWindow: UInt32 = 1_048_576,
        decoderTable: UInt32 = 4096, encoderTable: UInt32 = 4096, allowsExtendedConnect: Bool = true,
        assumedPeerStreams: UInt32 = 100
    ) {
        self.maxConcurrentStreams = maxConcurrentStreams
        self.streamWindow = min(max(streamWindow, 65_535), 0x7FFF_FFFF)
        self.connectionWindow = min(max(connectionWindow, 65_535), 0x7FFF_FFFF)
        self.decoderTable = min(decoderTable, 65_536)
        self.encoderTable = min(encoderTable, 65_536)
        self.allowsExtendedConnect = allowsExtendedConnect
        self.assumedPeerStreams = assumedPeerStreams
    }
}
