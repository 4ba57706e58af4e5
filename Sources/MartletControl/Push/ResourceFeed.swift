internal import MartletXDS

/// One type on one stream: what the client wants, what it has, what it is being sent.
///
/// What it has is kept as the differences from the snapshot's table: a client that is up to date costs nothing but its
/// subscription, and a new snapshot costs as much as it changes.
struct ResourceFeed: Sendable {
    let type: ResourceType
    /// What the client is to have.
    private(set) var table: ResourceTable
    private(set) var subscription = Subscription()
    private(set) var isRequested = false
    private(set) var differences: [String: Difference] = [:]
    private(set) var outstanding: Outstanding?
    var warming: [String: Warming] = [:]
    /// A response is due even if there is nothing to put into it.
    private(set) var isAnswerOwed = false
    private(set) var status = FeedStatus()
    private var lastNonce = ""
    private var refusals = Refusals()

    init(_ table: ResourceTable) {
        type = table.type
        self.table = table
    }

    // MARK: What the client has

    /// The client has accepted some version, and is not being told to drop it.
    func holds(_ name: String) -> Bool {
        if let outstanding, let item = outstanding.items[name], item == nil { return false }
        if let difference = differences[name] { return difference.held.isPresent }
        return subscription.covers(name) && table[name] != nil
    }

    var isSettled: Bool { outstanding == nil && differences.isEmpty && !isAnswerOwed && status.refusal == nil }

    func isRefused(_ name: String, _ target: Resource?) -> Bool { refusals.blames(name, target) }

    func wasRefused(_ items: [String: Resource?]) -> Bool { refusals.covers(items) }

    mutating func retarget(_ new: ResourceTable) {
        guard new !== table else { return }
        if isRequested {
            for name in new.changes(since: table) where subscription.covers(name) && differences[name] == nil {
                differences[name] = Difference(held: Held(table[name]))
            }
        }
        table = new
        forgetSettled()
        refusals.keep { name, version in differences[name] != nil && (new[name]?.version ?? "") == version }
    }

    /// Differences that are none any more. While a response is under way, what the client will have is open.
    private mutating func forgetSettled() {
        guard outstanding == nil, !differences.isEmpty else { return }
        for (name, difference) in differences where difference.held.isSame(as: table[name]) {
            if !difference.isOwed, !difference.isAsked { differences[name] = nil }
        }
        // What it refused is not what it is to have any more.
        if differences.isEmpty { status.refusal = nil }
        // An empty dictionary keeps the memory that it had; there are thousands of these.
        if differences.isEmpty { differences = [:] }
    }

    /// The client is taken to have dropped what it is not told to drop.
    mutating func forget(_ name: String) { differences[name] = nil }

    /// It is sent once more, if the client wants it at all.
    mutating func owe(_ name: String) {
        guard isRequested, subscription.covers(name), table[name] != nil else { return }
        differences[name, default: Difference(held: Held(table[name]))].isOwed = true
    }

    /// The client asked for what it may have; if there is none, it is told so.
    private mutating func ask(_ name: String) {
        differences[name, default: Difference(held: Held(table[name]))].isAsked = true
    }

    // MARK: State of the world

    /// False when the request answers another response than the newest: then it says nothing, for its client is about to
    /// answer the newest, too.
    func isCurrent(_ nonce: String) -> Bool { nonce == lastNonce }

    /// - Parameter known: the table that the client says it has in full.
    mutating func subscribe(_ request: DiscoveryRequest, known: ResourceTable?) {
        let before = subscription
        let isFirst = !isRequested
        isRequested = true
        let change = subscription.replace(with: shared(request.names), emptyMeansAll: type.isWildcard)
        if change.narrowed { dropUncovered() }
        // Taken at its word. A client that kept parts of a refused response names the version before it all the same; what it
        // lacks then comes with the next change of this type, for a response has all of it.
        if isFirst, change.becameWildcard, let known {
            for name in table.changes(since: known) { differences[name] = Difference(held: Held(known[name])) }
            return
        }
        // It has something, and nobody here knows what.
        let held: Held = isFirst && !request.version.isEmpty ? .unknown(version: nil) : .absent
        for name in change.added where table[name] != nil { differences[name] = Difference(held: held) }
        if change.becameWildcard { coverAll(before: before) { _ in held } }
        // By what is not in it, a response of these types tells what does not exist.
        if type.isWildcard, change.becameWildcard || !change.added.isEmpty { isAnswerOwed = true }
    }

    // MARK: Incremental

    mutating func subscribe(_ request: DeltaRequest) {
        let before = subscription
        let isFirst = !isRequested
        isRequested = true
        let known = isFirst ? request.initialVersions : [:]
        let change = subscription.change(
            subscribe: shared(request.subscribe), unsubscribe: request.unsubscribe,
            emptyMeansAll: isFirst && type.isWildcard)
        if change.narrowed { dropUncovered() }
        if change.becameWildcard {
            coverAll(before: before) { resource in
                let version = known[resource.name]
                return version == resource.version ? nil : version.map { .unknown(version: $0) } ?? .absent
            }
            for name in known.keys where table[name] == nil {
                differences[name] = Difference(held: .unknown(version: known[name]))
            }
            if !isFirst { for resource in table.resources { ask(resource.name) } }
            if known.isEmpty { isAnswerOwed = true }
        }
        for name in change.added {
            if let version = known[name] {
                guard version != table[name]?.version else { continue }
                differences[name] = Difference(held: .unknown(version: version))
            } else {
                differences[name] = Difference(held: .absent, isAsked: true)
            }
        }
        for name in change.askedAgain where known[name] == nil { ask(name) }
        forgetSettled()
    }

    /// The same names, in the table's memory where it has them: a thousand clients that name ten thousand endpoints each should
    /// not keep ten million texts.
    private func shared(_ names: [String]) -> [String] { names.map { table[$0]?.name ?? $0 } }

    private mutating func dropUncovered() {
        for name in differences.keys where !subscription.covers(name) { differences[name] = nil }
        for name in warming.keys where !subscription.covers(name) { warming[name] = nil }
    }

    /// - Parameter held: what the client has in place of a resource; nil when it has that.
    private mutating func coverAll(before: Subscription, held: (Resource) -> Held?) {
        for resource in table.resources where !before.covers(resource.name) {
            if let held = held(resource) { differences[resource.name] = Difference(held: held) }
        }
    }

    // MARK: Sending and its answer

    mutating func sent(_ outstanding: Outstanding) {
        self.outstanding = outstanding
        lastNonce = outstanding.nonce
        isAnswerOwed = false
        status.sentVersion = outstanding.version
        for name in outstanding.items.keys {
            differences[name]?.isOwed = false
            differences[name]?.isAsked = false
        }
    }

    /// - Returns: what was answered, or nil when it answers nothing that is open.
    mutating func answered(_ nonce: String, error: ErrorDetail?) -> Outstanding? {
        guard let answered = outstanding, answered.nonce == nonce else { return nil }
        outstanding = nil
        if let error {
            status.refusal = error
            refusals.add(answered.items, error.message)
            for (name, resource) in answered.items where answered.items.count > 1 && !isRefused(name, resource) {
                if let held = differences[name]?.held { differences[name]?.held = held.perhaps(resource) }
            }
        } else {
            // What it refused before may still be refused, while the rest has come through.
            if !differences.keys.contains(where: { isRefused($0, table[$0]) }) { status.refusal = nil }
            status.acknowledgedVersion = answered.version
            refusals.accepted(answered.items)
            for (name, resource) in answered.items where differences[name] != nil {
                differences[name]?.held = Held(resource)
            }
        }
        forgetSettled()
        return answered
    }
}
