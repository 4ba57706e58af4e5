/// The operators of formats, by the names the field knows them.
package enum FormatOperator: String, Sendable, CaseIterable {
    case startTime = "START_TIME"
    case request = "REQ"
    case requestWithoutQuery = "REQ_WITHOUT_QUERY"
    case response = "RESP"
    case trailer = "TRAILER"
    case `protocol` = "PROTOCOL"
    case responseCode = "RESPONSE_CODE"
    case responseCodeDetails = "RESPONSE_CODE_DETAILS"
    case responseFlags = "RESPONSE_FLAGS"
    /// How a gRPC call ended, by name: in camel case, or as the argument says.
    case grpcStatus = "GRPC_STATUS"
    case grpcStatusNumber = "GRPC_STATUS_NUMBER"
    case localReplyBody = "LOCAL_REPLY_BODY"
    case bytesReceived = "BYTES_RECEIVED"
    case bytesSent = "BYTES_SENT"
    case duration = "DURATION"
    case requestDuration = "REQUEST_DURATION"
    case responseDuration = "RESPONSE_DURATION"
    case responseTransferDuration = "RESPONSE_TX_DURATION"
    case upstreamHost = "UPSTREAM_HOST"
    case upstreamRemoteAddress = "UPSTREAM_REMOTE_ADDRESS"
    case upstreamRemoteAddressWithoutPort = "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"
    case upstreamCluster = "UPSTREAM_CLUSTER"
    case upstreamAttempts = "UPSTREAM_REQUEST_ATTEMPT_COUNT"
    case upstreamFailure = "UPSTREAM_TRANSPORT_FAILURE_REASON"
    case routeName = "ROUTE_NAME"
    case listenerName = "LISTENER_NAME"
    case downstreamRemoteAddress = "DOWNSTREAM_REMOTE_ADDRESS"
    case downstreamRemoteAddressWithoutPort = "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"
    case downstreamRemotePort = "DOWNSTREAM_REMOTE_PORT"
    case downstreamDirectRemoteAddress = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS"
    case downstreamDirectRemoteAddressWithoutPort = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"
    case downstreamLocalAddress = "DOWNSTREAM_LOCAL_ADDRESS"
    // What TLS settled; nothing on a plain connection.
    case tlsVersion = "DOWNSTREAM_TLS_VERSION"
    case tlsCipher = "DOWNSTREAM_TLS_CIPHER"
    case tlsSessionID = "DOWNSTREAM_TLS_SESSION_ID"
    case requestedServerName = "REQUESTED_SERVER_NAME"
    case peerSubject = "DOWNSTREAM_PEER_SUBJECT"
    case peerIssuer = "DOWNSTREAM_PEER_ISSUER"
    case peerURISAN = "DOWNSTREAM_PEER_URI_SAN"
    case peerDNSSAN = "DOWNSTREAM_PEER_DNS_SAN"
    case peerIPSAN = "DOWNSTREAM_PEER_IP_SAN"
    case peerSerial = "DOWNSTREAM_PEER_SERIAL"
    case peerFingerprint = "DOWNSTREAM_PEER_FINGERPRINT_256"
    case peerCertificate = "DOWNSTREAM_PEER_CERT"
    case peerValidFrom = "DOWNSTREAM_PEER_CERT_V_START"
    case peerExpires = "DOWNSTREAM_PEER_CERT_V_END"
    case peerIsValidated = "DOWNSTREAM_PEER_CERT_VALIDATED"
    case localSubject = "DOWNSTREAM_LOCAL_SUBJECT"
    case localURISAN = "DOWNSTREAM_LOCAL_URI_SAN"
    case localDNSSAN = "DOWNSTREAM_LOCAL_DNS_SAN"
    case connectionID = "CONNECTION_ID"
    case hostname = "HOSTNAME"
    case traceID = "TRACE_ID"
    case spanID = "SPAN_ID"
    /// What a filter or a policy left under a name space and a key.
    case dynamicMetadata = "DYNAMIC_METADATA"
    case filterState = "FILTER_STATE"
    /// The name that a token, a key, a password or a certificate has proved.
    case clientIdentity = "CLIENT_IDENTITY"
    case jwtClaim = "JWT_CLAIM"
    /// What policies in shadow mode would have done.
    case shadow = "SHADOW"

    /// What stands in parentheses behind the name.
    enum Argument: Equatable {
        case none
        /// A header, maybe `?` another one.
        case header
        /// A pattern of `TimePattern`; without it ISO 8601.
        case time
        /// Names with colons between them, as many as that or more.
        case path(atLeast: Int)
        case claim
        /// One of these, or nothing.
        case choice([String])
    }

    var argument: Argument {
        switch self {
        case .request, .requestWithoutQuery, .response, .trailer: .header
        case .startTime, .peerValidFrom, .peerExpires: .time
        case .dynamicMetadata: .path(atLeast: 2)
        case .filterState: .path(atLeast: 1)
        case .jwtClaim: .claim
        case .clientIdentity: .choice(["jwt", "api_key", "basic_auth", "tls"])
        case .grpcStatus: .choice(["CAMEL_STRING", "SNAKE_STRING", "NUMBER"])
        default: .none
        }
    }

    /// The value is a number, and stands in JSON without quotes.
    package var isNumber: Bool {
        switch self {
        case .responseCode, .bytesReceived, .bytesSent, .duration, .requestDuration, .responseDuration,
            .responseTransferDuration, .upstreamAttempts, .connectionID, .downstreamRemotePort, .grpcStatusNumber:
            true
        default: false
        }
    }
}
