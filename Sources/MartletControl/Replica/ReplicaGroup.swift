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

    /// Who else there is is known.
    var isKnown: Bool { get }

    /// Asks all others what they know.
    func others() async -> [ReplicaAnswer]
}

/// What another replica has answered.
package struct ReplicaAnswer: Sendable {
    package let replica: Replica
    /// Nil: it has not answered for some time.
    package let view: ReplicaView?
    /// False: the view, if there is one, is some seconds old.
    package let isNew: Bool

    package init(_ replica: Replica, _ view: ReplicaView?, isNew: Bool) {
        (self.replica, self.view, self.isNew) = (replica, view, isNew)
    }
}

/// A control plane of one process.
package struct SoleReplica: ReplicaGroup {
    package let own = Replica(id: "", url: nil, token: "")

    package init() {}

    package var isShared: Bool { false }
    package var isLeader: Bool { true }
    package var leader: String? { nil }
    package var isKnown: Bool { true }
    package func run() async {}
    package func others() async -> [ReplicaAnswer] { [] }
}
