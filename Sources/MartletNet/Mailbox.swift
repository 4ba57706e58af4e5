internal import CLinux
internal import MartletCore
internal import Synchronization

/// Messages from other threads to one loop, in order. Posting wakes the loop at most once per batch.
package final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var isClosed = false
    }
    // Written by any thread, drained by the loop's; the only lock between them, and never on a request's path.
    private let state = Locked(State())
    let descriptor: Int32

    package init() throws(SystemError) {
        descriptor = try SystemError.check("eventfd", mrt_eventfd())
    }

    deinit { mrt_close(descriptor) }

    /// Any thread. False when the loop has ended and the message is dropped.
    @discardableResult
    package func post(_ message: Message) -> Bool {
        let (accepted, wasEmpty) = state.withLock { state -> (Bool, Bool) in
            guard !state.isClosed else { return (false, false) }
            state.messages.append(message)
            return (true, state.messages.count == 1)
        }
        if wasEmpty { mrt_eventfd_wake(descriptor) }
        return accepted
    }

    /// The loop's thread only.
    package func drain() -> [Message] {
        mrt_eventfd_drain(descriptor)
        return state.withLock { state in
            let messages = state.messages
            state.messages = []
            return messages
        }
    }

    package func close() {
        state.withLock {
            $0.isClosed = true
            $0.messages = []
        }
    }
}
