/// Who is there: instances register, and stay for as long as they renew. They are no documents: who writes them is the instances
/// themselves, every few seconds, and nobody wants them back as they were (Decisions/0022).
package protocol InstanceRegistry: Sendable {
    /// Puts an instance in, or in place of the one of its key. Its time to renew begins anew.
    func register(_ instance: Instance) async throws(RegistryError)

    /// It is still there. `notRegistered` when it has been taken out: it registers again.
    @discardableResult
    func renew(_ key: InstanceKey) async throws(RegistryError) -> Instance

    /// Says how an instance is, which does not renew it.
    @discardableResult
    func setHealth(_ key: InstanceKey, _ health: Instance.Health) async throws(RegistryError) -> Instance

    @discardableResult
    func deregister(_ key: InstanceKey) async throws(RegistryError) -> Instance

    /// What is known here, by key. Nil: of all.
    func instances(namespace: String?, service: String?) async -> [Instance]

    /// Takes out who does not renew, and tells of each service that has changed, with all its instances; first of all there are.
    /// Until the task is cancelled.
    func run(_ tell: @escaping @Sendable ([ServiceName: [Instance]]) async -> Void) async
}

package enum RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was asked makes no sense.
    case invalid(String)
    case notRegistered(InstanceKey)
    /// A service has as many instances as it may.
    case full(ServiceName)
    /// There are as many instances as there may be.
    case crowded
    /// What is kept could not be changed.
    case unavailable(String)

    package var description: String {
        switch self {
        case .invalid(let why): why
        case .notRegistered(let key): "\(key) is not registered, or has not renewed in time: register it again"
        case .full(let service): "\(service) has \(InstanceBook.limit) instances, and may have no more"
        case .crowded: "there are \(InstanceBook.wholeLimit) instances, and may be no more"
        case .unavailable(let why): "the registry does not work: \(why)"
        }
    }
}
