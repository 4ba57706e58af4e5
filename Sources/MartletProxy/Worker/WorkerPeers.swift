internal import MartletCore
internal import MartletNet
internal import Synchronization

/// The workers of the process, for what one asks of the others.
final class WorkerPeers: Sendable {
    private let inboxes = Locked<[Mailbox<WorkerMessage>]>([])

    func add(_ inbox: Mailbox<WorkerMessage>) { inboxes.withLock { $0.append(inbox) } }

    func post(_ message: WorkerMessage, from sender: Mailbox<WorkerMessage>) {
        for inbox in inboxes.withLock({ $0 }) where inbox !== sender { inbox.post(message) }
    }
}
