/// What a hook decides. The same four for Swift filters, Lua policies and native modules.
public enum Verdict {
    /// Go on with the next filter.
    case next
    /// Hold this item here. The filter took a `Resumption` from the exchange and resumes it later, on this worker.
    case wait
    /// Answer the client with this. From a request hook, nothing (more) goes upstream. From `onResponseHead`, it takes the
    /// place of the response. After the response head has been sent it becomes a reset.
    case reply(Reply)
    /// Give the exchange up: the client's stream is reset (HTTP/1.1: its connection is closed).
    case reset(ResetReason)
}

/// Why an exchange was given up, for the access log.
public enum ResetReason: String, Sendable {
    case filter = "reset-by-filter"
    case downstreamDisconnect = "downstream-disconnect"
    case downstreamProtocolError = "downstream-protocol-error"
    case upstreamDisconnect = "upstream-disconnect"
    case upstreamProtocolError = "upstream-protocol-error"
    case idleTimeout = "stream-idle-timeout"
    case requestTimeout = "request-timeout"
    case tooLarge = "buffer-limit"
    case drain = "drain-deadline"
    case overload = "overloaded"
}

/// Envoy's response flags: why an exchange ended as it did, in the letters the field reads in access logs.
public enum ResponseFlag: UInt8, Sendable, CaseIterable {
    case noHealthyUpstream, upstreamRequestTimeout, localReset, upstreamRemoteReset, upstreamConnectionFailure
    case upstreamConnectionTermination, upstreamOverflow, noRouteFound, delayInjected, faultInjected, rateLimited
    case unauthorizedExternalService, downstreamConnectionTermination, upstreamRetryLimitExceeded, streamIdleTimeout
    case downstreamProtocolError, upstreamProtocolError, noClusterFound, durationTimeout, overloadManager
    case denied

    public var letters: StaticString {
        switch self {
        case .noHealthyUpstream: "UH"
        case .upstreamRequestTimeout: "UT"
        case .localReset: "LR"
        case .upstreamRemoteReset: "UR"
        case .upstreamConnectionFailure: "UF"
        case .upstreamConnectionTermination: "UC"
        case .upstreamOverflow: "UO"
        case .noRouteFound: "NR"
        case .delayInjected: "DI"
        case .faultInjected: "FI"
        case .rateLimited: "RL"
        case .unauthorizedExternalService: "UAEX"
        case .downstreamConnectionTermination: "DC"
        case .upstreamRetryLimitExceeded: "URX"
        case .streamIdleTimeout: "SI"
        case .downstreamProtocolError: "DPE"
        case .upstreamProtocolError: "UPE"
        case .noClusterFound: "NC"
        case .durationTimeout: "DT"
        case .overloadManager: "OM"
        case .denied: "UAEX"
        }
    }
}

/// A set of `ResponseFlag`s.
public struct ResponseFlags: Sendable, Equatable {
    public private(set) var rawValue: UInt32 = 0
    public init() {}
    public mutating func insert(_ flag: ResponseFlag) { rawValue |= 1 << UInt32(flag.rawValue) }
    public func contains(_ flag: ResponseFlag) -> Bool { rawValue & (1 << UInt32(flag.rawValue)) != 0 }
    public var isEmpty: Bool { rawValue == 0 }
}
