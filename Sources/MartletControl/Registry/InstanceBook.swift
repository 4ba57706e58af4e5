/// The instances that are known, by service, and until when each of them is.
struct InstanceBook: Sendable {
    struct Entry: Sendable {
        var instance: Instance
        /// By the clock of whoever keeps the book; nil: somebody else says when it goes.
        var deadline: Duration?
    }

    /// Instances of one service, and of all.
    static let limit = 10_000
    static let wholeLimit = 100_000

    private(set) var services: [ServiceName: [String: Entry]] = [:]
    private var count = 0
    /// Services whose instances are not what they were when `takeChanged` was asked last.
    private var changed: Set<ServiceName> = []

    subscript(key: InstanceKey) -> Entry? { services[key.service]?[key.id] }

    /// Whether one more is too many.
    func checkRoom(for key: InstanceKey) throws(RegistryError) {
        let present = services[key.service] ?? [:]
        guard present[key.id] == nil else { return }
        if present.count >= Self.limit { throw .full(key.service) }
        if count >= Self.wholeLimit { throw .crowded }
    }

    func instances(of service: ServiceName) -> [Instance] {
        (services[service] ?? [:]).values.map(\.instance).sorted { $0.key.id < $1.key.id }
    }

    func instances(namespace: String?, service: String?) -> [Instance] {
        services.keys
            .filter { (namespace == nil || $0.namespace == namespace) && (service == nil || $0.name == service) }
            .sorted().flatMap { instances(of: $0) }
    }

    var keys: [InstanceKey] { services.values.flatMap { $0.values.map(\.instance.key) } }

    mutating func put(_ instance: Instance, until deadline: Duration?) {
        let key = instance.key
        if services[key.service]?[key.id]?.instance != instance { changed.insert(key.service) }
        if self[key] == nil { count += 1 }
        services[key.service, default: [:]][key.id] = Entry(instance: instance, deadline: deadline)
    }

    /// Nil: it is not there.
    mutating func extend(_ key: InstanceKey, until deadline: Duration?) -> Instance? {
        guard let instance = self[key]?.instance else { return nil }
        services[key.service]?[key.id]?.deadline = deadline
        return instance
    }

    @discardableResult
    mutating func remove(_ key: InstanceKey) -> Instance? {
        guard let entry = services[key.service]?.removeValue(forKey: key.id) else { return nil }
        count -= 1
        if services[key.service]?.isEmpty == true { services[key.service] = nil }
        changed.insert(key.service)
        return entry.instance
    }

    /// Takes out those whose time is over.
    mutating func expire(at now: Duration) -> [Instance] {
        var gone: [Instance] = []
        for entries in services.values {
            for entry in entries.values {
                if let deadline = entry.deadline, deadline <= now { gone.append(entry.instance) }
            }
        }
        for instance in gone { remove(instance.key) }
        return gone
    }

    /// Everybody has so much more time.
    mutating func postpone(by delay: Duration) {
        for (service, entries) in services {
            services[service] = entries.mapValues { entry in
                Entry(instance: entry.instance, deadline: entry.deadline.map { $0 + delay })
            }
        }
    }

    /// When the next one's time is over; nil: nobody's is.
    var nextDeadline: Duration? { services.values.lazy.flatMap(\.values).compactMap(\.deadline).min() }

    /// What to tell of, once each.
    mutating func takeChanged() -> [ServiceName: [Instance]] {
        defer { changed = [] }
        return Dictionary(uniqueKeysWithValues: changed.map { ($0, instances(of: $0)) })
    }

    /// Everything is to be told.
    mutating func markAll() { changed.formUnion(services.keys) }
}
