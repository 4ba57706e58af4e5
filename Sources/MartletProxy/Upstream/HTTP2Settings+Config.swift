internal import MartletConfig
internal import MartletCore
internal import MartletHTTP

extension HTTP2Settings {
    /// Of a listener.
    convenience init(_ limits: ListenerLimits) {
        self.init(
            maxConcurrentStreams: UInt32(clamping: limits.maxConcurrentStreams),
            streamWindow: UInt32(clamping: limits.http2.initialStreamWindow.bytes),
            connectionWindow: UInt32(clamping: limits.http2.initialConnectionWindow.bytes),
            decoderTable: UInt32(clamping: limits.http2.headerTableSize.bytes))
    }

    /// Of a cluster.
    convenience init(_ config: ClusterHTTP2Config) {
        self.init(
            streamWindow: UInt32(clamping: config.initialStreamWindow.bytes),
            connectionWindow: UInt32(clamping: config.initialConnectionWindow.bytes),
            decoderTable: UInt32(clamping: config.headerTableSize.bytes))
    }
}
