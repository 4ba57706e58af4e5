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

extension HTTP2Limits {
    /// Of a listener.
    convenience init(_ limits: ListenerLimits) {
        let floods = limits.http2.floods
        let head = limits.requestHeaders.bytes
        self.init(
            head: head, fields: limits.headerCount,
            continuations: UInt32(clamping: floods.continuations ?? max(16, head / 8192)),
            queuedFrames: UInt32(clamping: floods.queuedFrames), resets: HTTP2Allowance(floods.resets),
            provokedResets: HTTP2Allowance(floods.provokedResets), settings: HTTP2Allowance(floods.settings),
            pings: HTTP2Allowance(floods.pings), emptyData: HTTP2Allowance(floods.emptyData),
            priorities: HTTP2Allowance(floods.priorities), windowUpdates: HTTP2Allowance(floods.windowUpdates),
            unknownFrames: HTTP2Allowance(floods.unknownFrames), strayFrames: HTTP2Allowance(floods.strayFrames),
            refusedStreams: HTTP2Allowance(floods.refusedStreams))
    }
}

extension HTTP2Allowance {
    fileprivate init(_ config: HTTP2FloodConfig.Allowance) {
        self.init(burst: UInt32(clamping: config.burst), perSecond: UInt32(clamping: config.perSecond))
    }
}
