internal import MartletCore
internal import MartletHTTP

/// Who sent a request upstream and hears its response: an attempt of an exchange, a call, a mirror.
protocol UpstreamReceiver: AnyObject {
    /// Where the decoder puts the response.
    var responseHead: ResponseHead { get }
    var responseTrailers: HeaderTable { get }
    var requestMethod: Method { get }
    var asksForUpgrade: Bool { get }

    /// The connection is up; queued bytes are on their way.
    func upstreamConnected()
    func upstreamInformational()
    /// `tunnels`: what follows is no HTTP.
    func upstreamHead(ended: Bool, tunnels: Bool)
    func upstreamBody(_ slice: ByteSlice, ended: Bool)
    /// Chunked body over; trailers, if any, are in `responseTrailers`.
    func upstreamTrailers()
    /// The connection left HTTP: these are the tunnel's bytes.
    func upstreamTunnel(_ slice: ByteSlice)
    func upstreamTunnelEnded()
    /// What was written has left for the kernel.
    func upstreamDrained()
    /// No (complete) response will come. The connection is gone.
    func upstreamFailed(_ failure: UpstreamFailure)
}

/// How an attempt failed: what happened, for retry and for the reply's wording.
enum UpstreamFailure: Equatable {
    case connectFailed(Int32)
    case connectTimeout
    /// The endpoint was reached, and TLS with it came to nothing.
    case tlsFailed
    /// Closed or reset before a complete response. `started`: some byte of it had come.
    case closed(started: Bool)
    case invalidResponse(String)
    /// The server has not looked at the request (RFC 9113 section 8.7): it may be sent again, whatever it asks for.
    case refused
}

extension UpstreamFailure {
    /// What it says about the endpoint.
    var outcome: AttemptOutcome {
        switch self {
        case .connectFailed, .connectTimeout, .tlsFailed: .connectFailure
        case .closed, .invalidResponse, .refused: .reset
        }
    }
}
