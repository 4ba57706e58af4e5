internal import MartletXDSMessages
internal import SwiftProtobuf

/// A proxy's side of one aggregated stream (ADS): what it asks for, and how it answers what it is offered. What becomes of
/// resources is the `ResourceCache`'s; it does no I/O.
///
/// Versions outlive streams, nonces do not: after a reconnect the server hears what is held, and sends what is new.
package struct DiscoveryClient: Sendable {
    package enum Method: Sendable {
        case delta, stateOfTheWorld

        /// Of the gRPC method.
        package var path: String {
            let service = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
            return service + (self == .delta ? "DeltaAggregatedResources" : "StreamAggregatedResources")
        }
    }

    /// What one stream knows about one type.
    struct Subscription: Sendable {
        /// Nil: all there are. Types that others refer to are asked for by name.
        var names: Set<String>?
        /// Of the last response.
        var nonce = ""
        /// State of the world: of the last response that was not refused.
        var version = ""
        var isAsked = false
    }

    package let method: Method
    private let node: DiscoveryNode
    private var subscriptions: [ResourceType: Subscription] = [:]
    private var hasSaidWho = false

    package init(_ method: Method, _ node: DiscoveryNode) {
        self.method = method
        self.node = node
        for type in ResourceType.allCases {
            subscriptions[type] = Subscription(names: type.isWildcard ? nil : [])
        }
    }

    // MARK: Asking

    /// The first requests of a new stream.
    /// - Parameter held: what there is of each type; delta tells the versions, so that only what differs is sent.
    package mutating func open(held: [ResourceType: [String: HeldResource]]) -> [[UInt8]] {
        hasSaidWho = false
        for type in ResourceType.allCases {
            subscriptions[type]?.nonce = ""
            subscriptions[type]?.isAsked = false
        }
        return ResourceType.allCases.compactMap { type in
            guard let subscription = subscriptions[type], subscription.names?.isEmpty != true else { return nil }
            return ask(type, subscription, adding: subscription.names ?? [], removing: [], held: held[type] ?? [:])
        }
    }

    /// Of a type that is asked for by name: exactly `names` from now on. Nil when that is nothing new.
    package mutating func subscribe(
        _ type: ResourceType, to names: Set<String>, held: [String: HeldResource]
    ) -> [UInt8]? {
        guard !type.isWildcard, let before = subscriptions[type], before.names != names else { return nil }
        subscriptions[type]?.names = names
        guard let now = subscriptions[type] else { return nil }
        let known = before.names ?? []
        // An empty list as the first word would ask for everything.
        if names.isEmpty, !before.isAsked { return nil }
        return ask(
            type, now, adding: before.isAsked ? names.subtracting(known) : names,
            removing: before.isAsked ? known.subtracting(names) : [], held: before.isAsked ? [:] : held)
    }

    private mutating func ask(
        _ type: ResourceType, _ subscription: Subscription, adding: Set<String>, removing: Set<String>,
        held: [String: HeldResource]
    ) -> [UInt8]? {
        subscriptions[type]?.isAsked = true
        let who = sayWho()
        switch method {
        case .stateOfTheWorld:
            return bytes(
                of: Envoy_Service_Discovery_V3_DiscoveryRequest.with {
                    if let who { $0.node = who }
                    $0.typeURL = type.typeURL
                    $0.versionInfo = subscription.version
                    $0.responseNonce = subscription.nonce
                    $0.resourceNames = subscription.names.map { $0.sorted() } ?? []
                })
        case .delta:
            return bytes(
                of: Envoy_Service_Discovery_V3_DeltaDiscoveryRequest.with {
                    if let who { $0.node = who }
                    $0.typeURL = type.typeURL
                    $0.resourceNamesSubscribe = subscription.names == nil ? [] : adding.sorted()
                    $0.resourceNamesUnsubscribe = removing.sorted()
                    $0.initialResourceVersions = held.mapValues(\.version)
                })
        }
    }

    private mutating func sayWho() -> Envoy_Config_Core_V3_Node? {
        guard !hasSaidWho else { return nil }
        hasSaidWho = true
        return node.message
    }

    // MARK: Being answered

    package struct Unreadable: Error {
        package let description: String
    }

    /// A response. Nil: of a type that nobody asked for.
    package mutating func received(_ bytes: [UInt8]) throws(Unreadable) -> DiscoveryOffer? {
        let offer: DiscoveryOffer?
        switch method {
        case .stateOfTheWorld:
            offer = DiscoveryOffer(try read(bytes, Envoy_Service_Discovery_V3_DiscoveryResponse.self))
        case .delta: offer = DiscoveryOffer(try read(bytes, Envoy_Service_Discovery_V3_DeltaDiscoveryResponse.self))
        }
        guard let offer, subscriptions[offer.type]?.isAsked == true else { return nil }
        subscriptions[offer.type]?.nonce = offer.nonce
        return offer
    }

    private func read<M: Message>(_ bytes: [UInt8], _ type: M.Type) throws(Unreadable) -> M {
        do {
            return try M(serializedBytes: bytes)
        } catch {
            throw Unreadable(description: "the control plane sent what is no discovery response")
        }
    }

    /// The answer to an offer: with a reason it is a refusal (NACK), and names what is refused and why.
    package mutating func answer(_ offer: DiscoveryOffer, refusedFor reason: String?) -> [UInt8]? {
        guard let subscription = subscriptions[offer.type] else { return nil }
        let status = reason.map { reason in
            Google_Rpc_Status.with {
                // INVALID_ARGUMENT. Servers show the text to people, in logs and statuses with bounds of their own.
                $0.code = 3
                $0.message = String(decoding: reason.utf8.prefix(4096), as: UTF8.self)
            }
        }
        switch method {
        case .stateOfTheWorld:
            if reason == nil { subscriptions[offer.type]?.version = offer.version }
            return bytes(
                of: Envoy_Service_Discovery_V3_DiscoveryRequest.with {
                    $0.typeURL = offer.type.typeURL
                    $0.versionInfo = reason == nil ? offer.version : subscription.version
                    $0.responseNonce = offer.nonce
                    $0.resourceNames = subscription.names.map { $0.sorted() } ?? []
                    if let status { $0.errorDetail = status }
                })
        case .delta:
            return bytes(
                of: Envoy_Service_Discovery_V3_DeltaDiscoveryRequest.with {
                    $0.typeURL = offer.type.typeURL
                    $0.responseNonce = offer.nonce
                    if let status { $0.errorDetail = status }
                })
        }
    }

    /// Our own messages are always complete.
    private func bytes(of message: some Message) -> [UInt8]? { try? message.serializedBytes() }
}
