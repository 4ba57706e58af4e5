internal import MartletConfig

/// Where each listener of a snapshot accepts: at its own address, and still at those within it that the process accepted at
/// before. A socket that is closed resets what its queue gets in that moment, so a reload closes only those whose address is
/// no listener's any more. Told by the configurations alone, so that the loader, which binds, and the workers agree.
struct ListenerAddresses: Sendable {
    private var lists: [String: [ConfigAddress]] = [:]

    static let none = ListenerAddresses([], previous: nil)

    init(_ listeners: [ListenerConfig], previous: ListenerAddresses?) {
        let held = previous.map { Array($0.lists.values.joined()) } ?? []
        for listener in listeners {
            let address = listener.address
            lists[listener.name] = [address] + held.filter { $0 != address && address.includes($0) }
        }
    }

    /// Somebody accepts at the listener's address already, and the listener takes that over. Port 0 was a port of the kernel's
    /// choice, which only the listener of the same name can mean.
    func have(_ listener: ListenerConfig) -> Bool {
        guard listener.address.port == 0 else { return lists.values.contains { $0.contains(listener.address) } }
        return lists[listener.name]?.first == listener.address
    }

    /// The address, or others on its port, are this process's.
    func overlap(_ address: ConfigAddress) -> Bool {
        lists.values.contains { $0.contains { $0.collides(with: address) } }
    }
}
