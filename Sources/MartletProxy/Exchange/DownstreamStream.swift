internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The client's side of one exchange, whatever protocol it speaks.
protocol DownstreamStream: AnyObject {
    /// Sends the exchange's response head. `ended`: nothing follows it. `tunnels`: what follows is no HTTP.
    /// False, and nothing is sent, when a filter put into the head what cannot be.
    func sendHead(_ exchange: Exchange, ended: Bool, tunnels: Bool) -> Bool
    /// Sends a 1xx head.
    func sendInformational(_ head: ResponseHead)
    func sendContinue()
    func sendBody(_ slice: ByteSlice, ended: Bool)
    func sendTrailers(_ trailers: HeaderTable)
    /// The response cannot be completed: the client must not take what it got for the whole.
    func resetStream()
    /// The exchange is over; the stream is free for the next, or closes.
    func exchangeEnded(requestComplete: Bool)
    /// Bytes queued towards the client.
    var queuedBytes: Int { get }
    /// Calls `driver.downstreamDrained()` when they have left.
    func askDrained()
    /// The exchange takes more of the request.
    func resumeRequest()
    /// What comes from the client from now on is the tunnel's.
    func becomeTunnel()
}
