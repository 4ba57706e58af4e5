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

    /// - Parameter caller: a tenant is not told where the control plane is, and of others' proxies not even the number.
    init(_ status: ReplicaStatus, for caller: Caller) {
        (id, leader, answers) = (status.id, status.isLeader, status.answers)
        let isTenant = caller.namespaces != nil
        (url, proxies) = (isTenant ? nil : status.url, isTenant ? nil : status.proxies)
    }
}
