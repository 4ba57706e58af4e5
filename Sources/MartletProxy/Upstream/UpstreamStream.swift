internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The server's side of one exchange, whatever protocol it speaks: an HTTP/1.1 connection lent for one request, or a stream of
/// an HTTP/2 one. It may still be on its way up; what is sent waits.
protocol UpstreamStream: AnyObject {
    var endpoint: WorkerEndpoint { get }
    /// A request on it may meet a close that the server sent before it saw the request.
    var isReused: Bool { get }
    /// The server may say that it has not looked at the request, which is then sent again.
    var mayBeRefused: Bool { get }
    /// Some of the request has left.
    var hasSent: Bool { get }
    /// Bytes of the request that have not left.
    var queuedBytes: Int { get }
    /// Calls the receiver's `upstreamDrained` when they have.
    func askDrained()

    /// `ended`: the request has no body. False, and nothing is sent, when a filter made something of the head that cannot be.
    func sendHead(_ request: RequestHead, ended: Bool) -> Bool
    /// A piece of the body, or of what a tunnel carries.
    func sendBody(_ slice: ByteSlice)
    /// The body is over. False when the trailers cannot be sent.
    func endBody(_ trailers: HeaderTable?) -> Bool
    /// A tunnel's client sent its last byte.
    func tunnelRequestEnded()

    /// The receiver takes no more for now.
    func pauseReading()
    func resumeReading()
    /// Somebody else takes what is still to come of the response.
    func handOver(to receiver: any UpstreamReceiver)
    /// The receiver has taken the last of its response.
    func responseTaken()
    /// Nobody wants the rest of the response.
    func dropResponse()
    /// The receiver gives the request up.
    func abandon()
    /// Tells how the attempt ended, for balancing and outlier detection. Only the first word counts: what breaks behind a
    /// response's head says nothing new.
    func report(_ outcome: AttemptOutcome)
}
