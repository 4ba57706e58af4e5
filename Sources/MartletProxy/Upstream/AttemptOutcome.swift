/// How an attempt to get a response from an endpoint ended, as far as it tells something about the endpoint.
package enum AttemptOutcome: Equatable, Sendable {
    /// The final response's status.
    case status(UInt16)
    /// The connection came about, and nothing more is known of what it carries.
    case connected
    case connectFailure
    case timeout
    /// Closed, reset, or an answer that is no HTTP.
    case reset

    /// The failure was found here and is not an answer: Envoy's local origin.
    var isLocalOrigin: Bool {
        switch self {
        case .status, .connected: false
        case .connectFailure, .timeout, .reset: true
        }
    }

    var isFailure: Bool {
        if case .status(let status) = self { return status >= 500 }
        return self != .connected
    }

    /// What a gateway says of the server behind it. Our own failures would be told as these.
    var isGatewayFailure: Bool {
        if case .status(let status) = self { return (502...504).contains(status) }
        return self != .connected
    }
}
