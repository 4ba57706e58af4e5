internal import MartletCore
internal import Synchronization

/// Another replica's address has nobody, or somebody else.
package struct ReplicaGone: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// What other replicas know, asked once for all who want to know it at the same time: each answer is a megabyte with a thousand
/// proxies, and whoever may read can ask.
final class ReplicaQuestions: Sendable {
    enum Answer {
        case told(ReplicaView, isNew: Bool)
        case silent
        case gone

        func told(by replica: Replica) -> ReplicaAnswer {
            guard case .told(let view, let isNew) = self else { return ReplicaAnswer(replica, nil, isNew: false) }
            return ReplicaAnswer(replica, view, isNew: isNew)
        }
    }

    private struct Known {
        var view: ReplicaView?
        /// Of the view.
        var at = Duration.zero
        var asking: Task<Answer, Never>?
        /// One that has not answered is not waited for again until then.
        var rests: Duration?
    }

    private let clock: RegistryClock
    private let log: @Sendable (String) -> Void
    private let ask: @Sendable (Replica) async throws -> ReplicaView
    private let known = Locked<[String: Known]>([:])

    /// An answer is good for whoever asks so soon after.
    private static let fresh = Duration.milliseconds(250)
    /// One that does not answer may have been busy: what it knew is believed for so long, for what need not be of this moment.
    private static let stale = Duration.seconds(10)
    private static let rest = Duration.seconds(3)
    private static let patience = Duration.seconds(2)

    init(
        clock: RegistryClock, log: @escaping @Sendable (String) -> Void,
        ask: @escaping @Sendable (Replica) async throws -> ReplicaView
    ) {
        (self.clock, self.log, self.ask) = (clock, log, ask)
    }

    func answer(of replica: Replica) async -> Answer {
        guard replica.url != nil else { return .silent }
        let now = clock.now()
        let task: Task<Answer, Never>? = known.withLock { known in
            let present = known[replica.id] ?? Known()
            if let asking = present.asking { return asking }
            if present.view != nil, now - present.at < Self.fresh { return nil }
            if let rests = present.rests, rests > now { return nil }
            // Of nobody's who asks: one that leaves does not end it for the others.
            let task = Task { await self.question(replica) }
            known[replica.id, default: Known()].asking = task
            return task
        }
        return await task?.value ?? remembered(replica, at: now)
    }

    private func remembered(_ replica: Replica, at now: Duration) -> Answer {
        known.withLock { known in
            guard let present = known[replica.id], let view = present.view, now - present.at < Self.stale else {
                return .silent
            }
            return .told(view, isNew: present.rests == nil)
        }
    }

    private func question(_ replica: Replica) async -> Answer {
        do {
            let ask = ask
            let view = try await within(Self.patience) { try await ask(replica) }
            let now = clock.now()
            known.withLock { $0[replica.id] = Known(view: view, at: now) }
            return .told(view, isNew: true)
        } catch {
            let now = clock.now()
            let isGone = error is ReplicaGone
            let isFirst = known.withLock { known in
                let before = known[replica.id]
                known[replica.id] = Known(
                    view: isGone ? nil : before?.view, at: before?.at ?? .zero, rests: now + Self.rest)
                // Those that were there once.
                known = known.filter { _, other in (other.rests ?? now) + .seconds(60) > now }
                return before?.rests == nil
            }
            if isFirst { log("replica \(replica.name) does not answer: \(error)") }
            return isGone ? .gone : remembered(replica, at: now)
        }
    }
}
