/// One process of a control plane that is several.
package struct Replica: Sendable, Equatable {
    package let id: String
    /// Of its API, as the others reach it. Nil: they cannot.
    package var url: String?
    /// Lets the others read at its API. It is made when the process starts.
    package let token: String

    package init(id: String, url: String?, token: String) { (self.id, self.url, self.token) = (id, url, token) }

    /// What people know it by.
    package var name: String { url ?? id }
}

/// What a replica knows and the others do not.
package struct ReplicaView: Sendable {
    package struct Proxy: Sendable {
        package var status: ProxyStatus
        /// What it did in the last minute; nil: it has not reported for long enough.
        package var past: ReportedTraffic?

        package init(_ status: ProxyStatus, past: ReportedTraffic?) { (self.status, self.past) = (status, past) }
    }

    package struct Sight: Sendable {
        package var revision: Revision
        package var sight: RolloutSight

        package init(_ sight: RolloutSight, revision: Revision) { (self.sight, self.revision) = (sight, revision) }
    }

    /// Whose it is, by id.
    package var replica = ""
    /// That are connected to it.
    package var proxies: [Proxy] = []
    /// What it sees of rollouts that it watches, by namespace.
    package var sights: [String: Sight] = [:]

    package init() {}
}

/// A replica as it is shown.
package struct ReplicaStatus: Sendable, Equatable {
    package var id: String
    package var url: String?
    package var isLeader: Bool
    /// False: nothing is known of its proxies.
    package var answers: Bool
    /// Nil where it does not answer.
    package var proxies: Int?
}
