/// What other threads send messages to: a handler on one worker, called on its thread, for as long as this object lives.
///
/// Belongs to its worker; its `sender` may go anywhere.
public final class Receiver<Message: Sendable> {
    public let sender: Sender<Message>
    private let forget: () -> Void

    package init(sender: Sender<Message>, forget: @escaping () -> Void) {
        self.sender = sender
        self.forget = forget
    }

    deinit { forget() }
}

/// Sends messages to a handler on a worker, from any thread.
public struct Sender<Message: Sendable>: Sendable {
    private let post: @Sendable (Message) -> Bool

    package init(_ post: @escaping @Sendable (Message) -> Bool) { self.post = post }

    /// False when the worker has ended. A message to a handler that is gone is dropped.
    @discardableResult
    public func send(_ message: Message) -> Bool { post(message) }
}

/// Handlers of one worker by number: what messages from other threads are for.
package struct MessageHandlers {
    private var handlers: [UInt64: (any Sendable) -> Void] = [:]
    private var last: UInt64 = 0

    package init() {}

    package mutating func add(_ handler: @escaping (any Sendable) -> Void) -> UInt64 {
        last &+= 1
        handlers[last] = handler
        return last
    }

    package mutating func remove(_ number: UInt64) { handlers[number] = nil }

    package subscript(number: UInt64) -> ((any Sendable) -> Void)? { handlers[number] }
}
