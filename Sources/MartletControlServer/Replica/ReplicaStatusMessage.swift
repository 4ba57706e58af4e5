internal import MartletControl

/// A replica, for people and their programs.
package struct ReplicaStatusMessage: Codable, Sendable, Equatable {
    package var id: String
    /// Of its API, as the others reach it.
    package var url: String?
    /// It watches rollouts.
    package var leader: Bool
    /// False: its proxies are not known.
    package var answers: Bool
    package var proxies: Int?

    /// - Parameter caller: of others' proxies not even the number is told.
    init(_ status: ReplicaStatus, for caller: Caller) {
        (id, url, leader, answers) = (status.id, status.url, status.isLeader, status.answers)
        proxies = caller.namespaces == nil ? status.proxies : nil
    }
}
