internal import MartletCore
internal import MartletHTTP

/// Takes a response that nobody wants, so that its connection can serve the next request.
final class DroppedResponse: UpstreamReceiver {
    let responseHead = ResponseHead()
    let responseTrailers = HeaderTable()
    /// Nobody asks: what the response means has been decided.
    let requestMethod = Method.get
    private weak var connection: HTTP1Upstream?
    private var left = 65_536

    /// How long the rest may take; after it a new connection is cheaper.
    static let time = Nanoseconds.seconds(1)

    init(_ connection: HTTP1Upstream) { self.connection = connection }

    var asksForUpgrade: Bool { false }

    func upstreamBody(_ slice: ByteSlice, ended: Bool) {
        left -= slice.count
        if ended { connection?.responseTaken() } else if left < 0 { connection?.abandon() }
    }

    func upstreamTrailers() { connection?.responseTaken() }

    func upstreamConnected() {}
    func upstreamInformational() {}
    func upstreamHead(ended: Bool, tunnels: Bool) {}
    func upstreamTunnel(_ slice: ByteSlice) {}
    func upstreamTunnelEnded() {}
    func upstreamDrained() {}
    func upstreamFailed(_ failure: UpstreamFailure) {}
}
