package import MartletCore

/// The side of an exchange that moves bytes. The chain tells it what has passed all filters.
package protocol ExchangeHost: AnyObject {
    /// A head passed the whole chain. `ended`: neither body nor trailers follow.
    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool)
    /// A piece of body passed. `ended`: nothing more follows.
    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool)
    /// Trailers passed; nothing follows them.
    func trailersPassed(_ direction: Direction, of exchange: Exchange)
    /// The flow accepts further items again, or for the first time while a filter buffers.
    func flowOpened(_ direction: Direction, of exchange: Exchange)
    /// A filter answers; the response flow already carries the reply's head. The upstream side is no longer wanted.
    func replyStarted(of exchange: Exchange)
    /// A filter gave the exchange up.
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason)

    var services: any WorkerServices { get }
}

package enum Direction: Sendable {
    case request, response
}
