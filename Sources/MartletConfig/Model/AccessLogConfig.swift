/// Where finished exchanges are written down, and how.
package struct AccessLogConfig: Sendable {
    package enum Format: Sendable {
        /// One object a line, with the fields of Docs/Config.md.
        case json
        /// The line's parts in order; a newline is added.
        case text([AccessLogPart])
    }

    package enum Target: Sendable {
        case off
        /// A file that is appended to; `/dev/stdout`, which is the default path, and `/dev/stderr` work.
        case file(path: String, ConfigPlace)
    }

    /// Default: off.
    package var target: Target
    /// `json`, `text` (the field's usual line) or a text with `%OPERATORS%`. Default: json.
    package var format: Format

    package static let off = AccessLogConfig(target: .off, format: .json)
}

/// One part of a text line: words that stand for themselves, or an operator.
package enum AccessLogPart: Sendable, Hashable {
    case literal(String)
    /// `%REQ(X-A?X-B):10%`: the operator, its argument, the alternative argument, and the most characters written.
    case value(AccessLogOperator, argument: String?, alternative: String?, limit: Int?)
}

/// The operators, by the names the field knows them.
package enum AccessLogOperator: String, Sendable, CaseIterable {
    case startTime = "START_TIME"
    case request = "REQ"
    case response = "RESP"
    case trailer = "TRAILER"
    case `protocol` = "PROTOCOL"
    case responseCode = "RESPONSE_CODE"
    case responseCodeDetails = "RESPONSE_CODE_DETAILS"
    case responseFlags = "RESPONSE_FLAGS"
    case bytesReceived = "BYTES_RECEIVED"
    case bytesSent = "BYTES_SENT"
    case duration = "DURATION"
    case requestDuration = "REQUEST_DURATION"
    case responseDuration = "RESPONSE_DURATION"
    case upstreamHost = "UPSTREAM_HOST"
    case upstreamCluster = "UPSTREAM_CLUSTER"
    case upstreamAttempts = "UPSTREAM_REQUEST_ATTEMPT_COUNT"
    case upstreamFailure = "UPSTREAM_TRANSPORT_FAILURE_REASON"
    case routeName = "ROUTE_NAME"
    case listenerName = "LISTENER_NAME"
    case downstreamRemoteAddress = "DOWNSTREAM_REMOTE_ADDRESS"
    case downstreamRemoteAddressWithoutPort = "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"
    case downstreamDirectRemoteAddress = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS"
    case downstreamDirectRemoteAddressWithoutPort = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"
    case downstreamLocalAddress = "DOWNSTREAM_LOCAL_ADDRESS"
    case connectionID = "CONNECTION_ID"
    case hostname = "HOSTNAME"
    /// What policies in shadow mode would have done.
    case shadow = "SHADOW"

    /// Whether it names a header in parentheses.
    package var takesHeader: Bool { self == .request || self == .response || self == .trailer }
}
