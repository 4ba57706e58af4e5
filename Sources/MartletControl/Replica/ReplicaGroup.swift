/// The processes that are one control plane, as one of them sees them.
package protocol ReplicaGroup: Sendable {
    /// Of this process.
    var own: Replica { get }

    /// There may be others.
    var isShared: Bool { get }

    /// The one that does what only one is to do. At most one knows so of itself, but for moments: whatever it does must bear that.
    var isLeader: Bool { get }

    /// Who leads, by id. Nil: nobody, or nobody knows.
    var leader: String? { get }

    /// Takes part until the task is cancelled.
    func run() async

    /// Asks all others what they know.
    func others() async -> [ReplicaAnswer]
}

/// What another replica has answered. Nil: it has not.
package struct ReplicaAnswer: Sendable {
    package let replica: Replica
    package let view: ReplicaView?

    package init(_ replica: Replica, _ view: ReplicaView?) { (self.replica, self.view) = (replica, view) }
}

/// A control plane of one process.
package struct SoleReplica: ReplicaGroup {
    package let own = Replica(id: "", url: nil, token: "")

    package init() {}

    package var isShared: Bool { false }
    package var isLeader: Bool { true }
    package var leader: String? { nil }
    package func run() async {}
    package func others() async -> [ReplicaAnswer] { [] }
}
