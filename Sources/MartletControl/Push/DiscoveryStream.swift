package import MartletXDS

/// One stream on which a proxy is told its configuration (ADS), without the stream: requests and snapshots go in, responses
/// and events come out. A value, owned by whoever owns the stream.
///
/// The protocol's rules are in the xDS specification ("xDS REST and gRPC protocol"); which file obeys which:
/// `Subscription` names and `*`; `ResourceFeed` what is sent and answered; the two extensions, make before break.
package struct DiscoveryStream: Sendable {
    package enum Variant: Sendable {
        case stateOfTheWorld, delta
    }

    /// Names that a client may subscribe to, of one type.
    package static let nameLimit = 100_000

    package let variant: Variant
    package private(set) var node: ProxyNode?
    package private(set) var snapshot: Snapshot
    var feeds: [ResourceFeed]
    /// The client has something from an earlier stream, and may have more than it has told yet: nothing is removed that a
    /// type it has not asked for may refer to.
    private(set) var isResuming = false
    private let nameLimit: Int
    private var isOver = false
    private var sequence: UInt64 = 0

    package init(_ variant: Variant, snapshot: Snapshot, nameLimit: Int = Self.nameLimit) {
        self.variant = variant
        self.snapshot = snapshot
        self.nameLimit = nameLimit
        feeds = ResourceType.allCases.map { ResourceFeed(snapshot.table($0)) }
    }

    package mutating func publish(_ snapshot: Snapshot) -> StreamOutput {
        guard !isOver else { return StreamOutput() }
        self.snapshot = snapshot
        for index in feeds.indices { feeds[index].retarget(snapshot.table(feeds[index].type)) }
        return output([])
    }

    /// A client that came back has had the time to ask for all that it wants: its owner's clock says so.
    package mutating func resumed() -> StreamOutput {
        isResuming = false
        return isOver ? StreamOutput() : output([])
    }

    package mutating func receive(_ request: DiscoveryRequest) -> StreamOutput {
        precondition(variant == .stateOfTheWorld, "a request of the other protocol")
        guard !isOver else { return StreamOutput() }
        guard identify(request.node) else { return end(.missingNode) }
        guard let type = ResourceType(typeURL: request.typeURL) else {
            return StreamOutput(events: [.unknownType(request.typeURL)])
        }
        guard request.names.count <= nameLimit else { return end(.tooManyNames(type, limit: nameLimit)) }
        let ordinal = type.ordinal
        let isFirst = !feeds[ordinal].isRequested
        // A client's first request may carry the nonce of a stream before this one; it answers nothing here.
        guard isFirst || feeds[ordinal].isCurrent(request.nonce) else {
            return StreamOutput(events: [.staleNonce(type, request.nonce)])
        }
        var events: [StreamEvent] = []
        if !isFirst { answer(type, request.nonce, request.error, &events) }
        if isFirst, !request.version.isEmpty { isResuming = true }
        let known = request.version.isEmpty ? nil : snapshot.table(type, version: request.version)
        feeds[ordinal].subscribe(request, known: known)
        if isFirst { resume(type) }
        return output(events)
    }

    package mutating func receive(_ request: DeltaRequest) -> StreamOutput {
        precondition(variant == .delta, "a request of the other protocol")
        guard !isOver else { return StreamOutput() }
        guard identify(request.node) else { return end(.missingNode) }
        guard let type = ResourceType(typeURL: request.typeURL) else {
            return StreamOutput(events: [.unknownType(request.typeURL)])
        }
        let ordinal = type.ordinal
        let isFirst = !feeds[ordinal].isRequested
        guard
            [request.subscribe.count, request.unsubscribe.count, request.initialVersions.count].allSatisfy({
                $0 <= nameLimit
            })
        else { return end(.tooManyNames(type, limit: nameLimit)) }
        var events: [StreamEvent] = []
        if !isFirst, !request.nonce.isEmpty { answer(type, request.nonce, request.error, &events) }
        if isFirst, !request.initialVersions.isEmpty { isResuming = true }
        feeds[ordinal].subscribe(request)
        if isFirst { resume(type) }
        // Names that it asks for without answering are remembered, whether or not there is anything of that name.
        guard feeds[ordinal].subscription.names.count <= nameLimit,
            feeds[ordinal].differences.count <= nameLimit + feeds[ordinal].table.resources.count
        else {
            return end(.tooManyNames(type, limit: nameLimit))
        }
        return output(events)
    }

    package func status(_ type: ResourceType) -> FeedStatus {
        let feed = feeds[type.ordinal]
        var status = feed.status
        status.isRequested = feed.isRequested
        status.withheld = withheld(type)
        return status
    }

    /// The client has accepted all that it is to have of what it asked for.
    package var isSettled: Bool {
        // Everybody asks for listeners, if for other things first.
        feeds[ResourceType.listener.ordinal].isRequested && feeds.allSatisfy { !$0.isRequested || $0.isSettled }
    }

    /// It has refused something that it is to have.
    package var isRefused: Bool { feeds.contains { $0.status.refusal != nil } }

    // MARK: Requests

    /// Only the first request must say who the client is; what later ones say changes nothing.
    private mutating func identify(_ node: ProxyNode?) -> Bool {
        if self.node != nil { return true }
        guard let node, !node.id.isEmpty else { return false }
        self.node = node
        return true
    }

    private mutating func end(_ violation: StreamViolation) -> StreamOutput {
        isOver = true
        return StreamOutput(events: [.violation(violation)])
    }

    /// A refusal is told by its error alone: the version says what the client had before, or nothing.
    private mutating func answer(
        _ type: ResourceType, _ nonce: String, _ error: ErrorDetail?, _ events: inout [StreamEvent]
    ) {
        guard let answered = feeds[type.ordinal].answered(nonce, error: error) else {
            // A client may change its subscription with the nonce of what it has answered; only the other protocol has a
            // nonce for answers alone.
            if variant == .delta { events.append(.staleNonce(type, nonce)) }
            return
        }
        if let error {
            refused(type, answered)
            events.append(.refused(type, version: answered.version, error))
        } else {
            accepted(type, answered)
            events.append(.acknowledged(type, version: answered.version))
        }
    }

    // MARK: Responses

    private mutating func output(_ events: [StreamEvent]) -> StreamOutput {
        var output = StreamOutput(events: events)
        dropImplied()
        for type in ResourceType.allCases {
            oweWarming(type)
            guard feeds[type.ordinal].isRequested, feeds[type.ordinal].outstanding == nil else { continue }
            let items = sendable(type)
            guard !items.isEmpty || feeds[type.ordinal].isAnswerOwed else { continue }
            output.responses.append(send(type, items))
        }
        return output
    }

    private mutating func send(_ type: ResourceType, _ items: [String: Resource?]) -> PushResponse {
        sequence += 1
        let response = PushResponse(
            type: type, version: feeds[type.ordinal].version(sending: items), nonce: String(sequence),
            resources: variant == .stateOfTheWorld && type.isWildcard
                ? feeds[type.ordinal].fullState(sending: items)
                : items.values.compactMap { $0 }.sorted { $0.name < $1.name },
            removed: variant == .delta ? items.filter { $0.value == nil }.keys.sorted() : [])
        warm(type, items, sequence: sequence)
        feeds[type.ordinal].sent(
            Outstanding(nonce: response.nonce, sequence: sequence, version: response.version, items: items))
        return response
    }
}
