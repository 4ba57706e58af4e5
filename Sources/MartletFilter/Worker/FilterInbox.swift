/// How other workers tell a filter something: that what it waits for is there. Made by `FilterContext.inbox(_:)`, owned by
/// the filter, and to be handed to any thread.
public final class FilterInbox: Sendable {
    private let send: @Sendable (UInt64) -> Bool
    private let close: @Sendable () -> Void

    package init(send: @escaping @Sendable (UInt64) -> Bool, close: @escaping @Sendable () -> Void) {
        self.send = send
        self.close = close
    }

    deinit { close() }

    /// The filter's handler gets `number` in one of the next turns of its worker. Any thread. False when the worker has
    /// ended and nobody will hear of it.
    public func post(_ number: UInt64) -> Bool { send(number) }
}

extension WorkerServices {
    /// A worker without others: nobody hears.
    package func inbox(_ handler: @escaping (UInt64) -> Void) -> FilterInbox {
        FilterInbox(send: { _ in false }, close: {})
    }
}
