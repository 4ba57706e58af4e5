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
    /// Whether the receiver takes more of a body now. When it does again, the host tells the flow to `goOn`.
    func hasRoom(_ direction: Direction, of exchange: Exchange) -> Bool
    /// A filter answers; the response flow already carries the reply's head. The upstream side is no longer wanted.
    func replyStarted(of exchange: Exchange)
    /// A filter gave the exchange up.
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason)

    var services: any WorkerServices { get }
}

extension ExchangeHost {
    package func hasRoom(_ direction: Direction, of exchange: Exchange) -> Bool { true }
}

package enum Direction: Sendable {
    case request, response
}

/// Forwards to the host while there is one. After `detach` nothing happens any more.
package final class HostReference {
    package var target: (any ExchangeHost)?

    @inline(__always)
    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {
        target?.headPassed(direction, of: exchange, ended: ended)
    }

    @inline(__always)
    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {
        target?.bodyPassed(direction, of: exchange, chunk, ended: ended)
    }

    func trailersPassed(_ direction: Direction, of exchange: Exchange) {
        target?.trailersPassed(direction, of: exchange)
    }
    func flowOpened(_ direction: Direction, of exchange: Exchange) { target?.flowOpened(direction, of: exchange) }
    func hasRoom(_ direction: Direction, of exchange: Exchange) -> Bool {
        target?.hasRoom(direction, of: exchange) ?? true
    }
    func replyStarted(of exchange: Exchange) { target?.replyStarted(of: exchange) }
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) { target?.resetByFilter(exchange, reason) }
    var services: (any WorkerServices)? { target?.services }
}
