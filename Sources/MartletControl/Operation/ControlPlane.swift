/// What operators ask of the control plane, whichever way they ask. Implemented by `MeshControl`.
package protocol ControlPlane: Sendable {
    /// Checks, and writes if nothing is wrong.
    func apply(_ submission: Submission, by author: String) async throws(OperationError) -> Applied

    /// What `apply` would do.
    func plan(_ submission: Submission) async throws(OperationError) -> ChangePlan

    /// Refused while something else needs it.
    /// - Parameter within: namespaces whose documents the sender may be told of; nil: all.
    func delete(
        _ keys: [DocumentKey], within: Set<String>?, by author: String, message: String
    ) async throws(OperationError) -> Applied

    /// What `delete` would do.
    func planDeletion(_ keys: [DocumentKey], within: Set<String>?) async throws(OperationError) -> ChangePlan

    /// Sorted by key. Nil: of all.
    func documents(namespace: String?, kind: MeshKind?) async throws(OperationError) -> [DocumentView]

    /// - Parameter revision: as it was then; nil: as it is.
    func document(_ key: DocumentKey, at revision: Revision?) async throws(OperationError) -> DocumentView

    /// Newest first.
    func history(_ key: DocumentKey, limit: Int) async throws(OperationError) -> [DocumentVersion]

    /// All transactions, newest first; nil: of all namespaces.
    func log(namespace: String?, limit: Int) async throws(OperationError) -> [StoreEvent]

    /// Makes documents what they were after a revision, in a new one.
    /// - Parameter keys: nil: all of the namespace.
    /// - Parameter within: as with `delete`; also those that the sender may share with.
    func rollback(
        namespace: String, keys: [DocumentKey]?, to revision: Revision, within: Set<String>?, by author: String,
        message: String
    ) async throws(OperationError) -> Applied

    // MARK: Rollouts

    /// Checks as `apply` does, and gives the change to the proxies of the plan's first stage.
    func startRollout(
        _ submission: Submission, _ plan: RolloutPlan, by author: String
    ) async throws(OperationError) -> Applied

    /// To the next stage, or past all that are left; from the last one to all proxies.
    /// - Parameter stage: that it is in, as the sender knows, from 0; nil: any.
    /// - Parameter within: as with `delete`.
    func promoteRollout(
        _ namespace: String, from stage: Int?, toAll: Bool, within: Set<String>?, by author: String
    ) async throws(OperationError) -> Applied

    /// Takes the change back.
    func abortRollout(
        _ namespace: String, by author: String, message: String
    ) async throws(OperationError) -> Applied

    /// That is under way, or the last one.
    func rollout(_ namespace: String) async throws(OperationError) -> RolloutView

    // MARK: Proxies

    /// Of the store's newest transaction that proxies are told of here.
    func revision() async -> Revision

    /// Of all replicas.
    func connected() async -> ConnectedProxies

    /// That are connected to this process, by namespace and id.
    func ownProxies() async -> [ProxyStatus]

    /// What this process knows and other replicas do not.
    func view() async -> ReplicaView
}

/// A document as it is shown.
package struct DocumentView: Sendable, Equatable {
    package let key: DocumentKey
    package let revision: Revision
    package let created: Revision
    /// YAML, as `apply` takes it. What keys and other secret files hold is left out.
    package let text: String
}
