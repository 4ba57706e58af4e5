internal import MartletCore
internal import MartletXDSMessages
internal import SwiftProtobuf

/// A proxy's side of discovery over REST: a request a type, again and again, and what becomes of the answers. It does no I/O.
///
/// There are no acknowledgements: the next request names the version that is in force, or says why another is not.
package struct PollingClient: Sendable {
    private struct Subscription: Sendable {
        /// Nil: all there are.
        var names: Set<String>?
        /// In force.
        var version = ""
        /// Why the last answer is not.
        var refusal: String?
        /// Of the last answer that brought something: the same again says nothing new, be it in force or refused.
        var answer: Int?
        var isAnswered = false
    }

    private let node: DiscoveryNode
    private var subscriptions: [ResourceType: Subscription] = [:]

    package init(_ node: DiscoveryNode) {
        self.node = node
        for type in ResourceType.allCases {
            subscriptions[type] = Subscription(names: type.isWildcard ? nil : [])
        }
    }

    // MARK: Asking

    /// What there is to ask for.
    package var types: [ResourceType] { ResourceType.allCases.filter { subscriptions[$0]?.names?.isEmpty != true } }

    package static func path(_ type: ResourceType) -> String {
        let collection =
            switch type {
            case .cluster: "clusters"
            case .endpoints: "endpoints"
            case .secret: "secrets"
            case .listener: "listeners"
            case .routes: "routes"
            case .extension: "extension_configs"
            }
        return "/v3/discovery:" + collection
    }

    /// A DiscoveryRequest in JSON, its fields called as the definition calls them.
    package func request(_ type: ResourceType) -> [UInt8] {
        let subscription = subscriptions[type] ?? Subscription()
        var members = [
            JSONMember(name: "version_info", value: .string(subscription.version)),
            JSONMember(name: "node", value: nodeValue),
            JSONMember(
                name: "resource_names", value: .array((subscription.names ?? []).sorted().map { .string($0) })),
            JSONMember(name: "type_url", value: .string(type.typeURL)),
        ]
        if let refusal = subscription.refusal {
            // INVALID_ARGUMENT. Some servers want all three, the empty list as well.
            let status = JSONValue.object([
                JSONMember(name: "code", value: .integer(3)), JSONMember(name: "message", value: .string(refusal)),
                JSONMember(name: "details", value: .array([])),
            ])
            members.append(JSONMember(name: "error_detail", value: status))
        }
        return Array(JSONValue.object(members).text.utf8)
    }

    private var nodeValue: JSONValue {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        guard let text = try? node.message.jsonUTF8Bytes(options: options) as [UInt8] else { return .object([]) }
        return (try? JSONReader.read(text.span)) ?? .object([])
    }

    /// Of a type that is asked for by name: exactly `names` from now on. True: there are some among them that have not been asked for.
    package mutating func subscribe(_ type: ResourceType, to names: Set<String>) -> Bool {
        guard !type.isWildcard, let known = subscriptions[type]?.names, known != names else { return false }
        subscriptions[type]?.names = names
        guard !names.isSubset(of: known) else { return false }
        // A version speaks of those that were asked for. Of more names the same one would be answered with "unchanged".
        subscriptions[type]?.version = ""
        subscriptions[type]?.answer = nil
        return true
    }

    // MARK: Being answered

    /// Whether an answer differs from the last one of its type.
    package func isNew(_ type: ResourceType, _ body: [UInt8]) -> Bool { subscriptions[type]?.answer != body.hashValue }

    /// Takes note of it: it is on its way to be looked at.
    package mutating func received(_ type: ResourceType, _ body: [UInt8]) {
        subscriptions[type]?.answer = body.hashValue
        subscriptions[type]?.isAnswered = true
    }

    /// There is nothing of the type, the server says. As with Envoy what is in force stays, for a path that nobody serves is
    /// answered alike. The first time that is word from the server all the same.
    package mutating func receivedNothing(_ type: ResourceType) -> DiscoveryOffer? {
        guard type.isWildcard, subscriptions[type]?.isAnswered == false else { return nil }
        subscriptions[type]?.isAnswered = true
        return DiscoveryOffer(
            type: type, version: "", nonce: "", changed: [:], removed: [], isWhole: false, fault: nil)
    }

    /// The server says that what is in force is what it has.
    package mutating func receivedUnchanged(_ type: ResourceType) {
        subscriptions[type]?.isAnswered = true
        guard subscriptions[type]?.refusal != nil else { return }
        // It has gone back to that; should what was refused come again, it is looked at again.
        subscriptions[type]?.refusal = nil
        subscriptions[type]?.answer = nil
    }

    /// What became of an offer.
    /// - Parameter isPartly: what was not at fault in it is in force. That is no version the server knows.
    package mutating func answer(_ offer: DiscoveryOffer, refusedFor reason: String?, isPartly: Bool) {
        if reason == nil { subscriptions[offer.type]?.version = offer.version }
        if isPartly { subscriptions[offer.type]?.version = "" }
        subscriptions[offer.type]?.refusal = reason.map { String(decoding: $0.utf8.prefix(4096), as: UTF8.self) }
    }
}
