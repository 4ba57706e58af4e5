/// What a client has under one name, as far as it told.
enum Held: Sendable {
    case absent
    case resource(Resource)
    /// Something from an earlier stream. Its version, if the client told it; what it refers to is not known.
    case unknown(version: String?)
    /// One of these. Clients that refuse a response may keep its other resources all the same, as Envoy and gRPC do. The
    /// first is what was accepted last.
    case uncertain([Resource?])

    init(_ resource: Resource?) { self = resource.map { .resource($0) } ?? .absent }

    /// Versions that one of may be there, before it counts as unknown.
    private static let uncertainLimit = 8

    /// It was refused together with others, and not said to be at fault.
    func perhaps(_ refused: Resource?) -> Held {
        let before: [Resource?]
        switch self {
        case .unknown: return .unknown(version: nil)
        case .absent: before = [nil]
        case .resource(let resource): before = [resource]
        case .uncertain(let resources): before = resources
        }
        if before.contains(where: { $0?.version == refused?.version }) { return self }
        return before.count < Self.uncertainLimit ? .uncertain(before + [refused]) : .unknown(version: nil)
    }

    var isAbsent: Bool {
        if case .absent = self { true } else { false }
    }

    /// There is some version of it, and the client told so.
    var isPresent: Bool {
        switch self {
        case .absent: false
        case .resource: true
        case .unknown(let version): version != nil
        case .uncertain(let resources): resources.allSatisfy { $0 != nil }
        }
    }

    /// The last one that was accepted.
    var resource: Resource? {
        switch self {
        case .absent, .unknown: nil
        case .resource(let resource): resource
        case .uncertain(let resources): resources.first ?? nil
        }
    }

    /// Only of what was accepted on this stream it is known that nothing else is in use.
    func isSame(as target: Resource?) -> Bool {
        switch self {
        case .absent: target == nil
        case .resource(let resource): target.map { $0.version == resource.version } ?? false
        case .unknown, .uncertain: false
        }
    }

    func digest(_ name: String) -> UInt64 {
        switch self {
        case .absent: 0
        case .resource(let resource): resource.digest
        case .unknown(let version): Resource.digest(name, version ?? "")
        case .uncertain: resource?.digest ?? 0
        }
    }
}

/// A name under which the client does not have what the snapshot has, or must be answered all the same.
struct Difference: Sendable {
    var held: Held
    /// The client needs it again to warm something: it is sent even if it is unchanged.
    var isOwed = false
    /// The client asked: it is sent even if it is unchanged or was refused.
    var isAsked = false
}

/// A response that was sent and neither accepted nor refused yet. There is never more than one of a type, so that what a slow
/// client is still to be told does not pile up: it is worked out when it asks for more.
struct Outstanding: Sendable {
    let nonce: String
    /// Responses of the stream so far, with this one.
    let sequence: UInt64
    let version: String
    /// What was sent because of a difference; nil: its removal.
    let items: [String: Resource?]
}

/// A new version that the client has but does not use before it has been sent what the version needs.
struct Warming: Sendable {
    /// The response that brought it. What was sent before that one warms nothing.
    let sequence: UInt64
    var needs: Set<String>
    /// What the client uses until then.
    let served: [Held]
    /// There is one among those.
    let isUsable: Bool
}
