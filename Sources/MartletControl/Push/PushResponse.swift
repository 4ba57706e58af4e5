package import MartletXDS

/// A response to send, of either protocol.
package struct PushResponse: Sendable {
    package let type: ResourceType
    /// `version_info`, or `system_version_info`: of all that the client has of this type once it accepts.
    package let version: String
    package let nonce: String
    package let resources: [Resource]
    /// Of the incremental protocol only.
    package let removed: [String]
}

/// What a request told.
package enum StreamEvent: Sendable, Equatable {
    case acknowledged(ResourceType, version: String)
    case refused(ResourceType, version: String, ErrorDetail)
    /// It answers a response that is not the newest of its type. Of the state-of-the-world protocol, it was ignored.
    case staleNonce(ResourceType, String)
    /// Not served here; ignored.
    case unknownType(String)
    /// The stream is over: its owner ends it with INVALID_ARGUMENT. Nothing more is said on it.
    case violation(StreamViolation)
}

package enum StreamViolation: Error, Sendable, Equatable, CustomStringConvertible {
    case missingNode
    case tooManyNames(ResourceType, limit: Int)

    package var description: String {
        switch self {
        case .missingNode: "the first request on a stream must have a node with an id"
        case .tooManyNames(let type, let limit): "more than \(limit) names of the type \(type.typeURL) on one stream"
        }
    }
}

/// What its owner does after an input.
package struct StreamOutput: Sendable {
    /// In this order.
    package internal(set) var responses: [PushResponse] = []
    package internal(set) var events: [StreamEvent] = []

    package init() {}

    init(events: [StreamEvent]) { self.events = events }
}

/// Where a stream stands with one type.
package struct FeedStatus: Sendable, Equatable {
    package var isRequested = false
    package var sentVersion: String?
    package var acknowledgedVersion: String?
    /// Of the newest refusal since the newest acceptance.
    package var refusal: ErrorDetail?
    /// What is not pushed because a cluster that it names has not been accepted, or is still without endpoints.
    package var withheld: [String] = []
}
