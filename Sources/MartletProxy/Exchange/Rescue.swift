internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// What can go wrong with an exchange.
enum ProxyFault {
    case noRoute, noCluster, noHealthyUpstream, connectFailed, connectTimeout, upstreamTLSFailed, upstreamRefused,
        upstreamClosed
    case overflow(ClusterAllowances.Kind)
    case circuitOpen
    case invalidResponse(String)
    case requestTimeout, tryTimeout, streamIdleTimeout, requestIdleTimeout
    case brokenRequest(String)
    case invalidRequestHead, invalidResponseHead, bodyLengthMismatch
    case overloaded

    /// The one table from what happened to what the client, the access log and the metrics are told.
    var answer: (status: UInt16, reason: String, flag: ResponseFlag) {
        switch self {
        case .noRoute: (404, "no-route", .noRouteFound)
        case .noCluster: (503, "no-cluster", .noClusterFound)
        case .noHealthyUpstream: (503, "no-healthy-upstream", .noHealthyUpstream)
        case .connectFailed: (503, "upstream-connect-failure", .upstreamConnectionFailure)
        case .connectTimeout: (503, "upstream-connect-timeout", .upstreamConnectionFailure)
        case .upstreamTLSFailed: (503, "upstream-tls-failure", .upstreamConnectionFailure)
        case .upstreamRefused: (503, "upstream-refused", .upstreamRemoteReset)
        case .upstreamClosed: (502, "upstream-closed", .upstreamConnectionTermination)
        case .overflow(.connections): (503, "upstream-overflow-connections", .upstreamOverflow)
        case .overflow(.pending): (503, "upstream-overflow-pending", .upstreamOverflow)
        case .overflow(.requests): (503, "upstream-overflow-requests", .upstreamOverflow)
        case .overflow(.retries): (503, "upstream-overflow-retries", .upstreamOverflow)
        case .circuitOpen: (503, "upstream-circuit-open", .upstreamOverflow)
        case .invalidResponse: (502, "upstream-invalid-response", .upstreamProtocolError)
        case .requestTimeout: (504, "request-timeout", .upstreamRequestTimeout)
        case .tryTimeout: (504, "per-try-timeout", .upstreamRequestTimeout)
        case .streamIdleTimeout: (504, "stream-idle-timeout", .streamIdleTimeout)
        // The client stopped in the middle of its request (RFC 9110 section 15.5.9).
        case .requestIdleTimeout: (408, "request-idle-timeout", .streamIdleTimeout)
        case .brokenRequest(let fault): (400, "bad-request-body: \(fault)", .downstreamProtocolError)
        case .invalidRequestHead: (500, "invalid-request-after-filters", .localReset)
        case .invalidResponseHead: (500, "invalid-response-after-filters", .localReset)
        case .overloaded: (503, "overloaded", .overloadManager)
        case .bodyLengthMismatch: (500, "body-length-changed-by-filter", .localReset)
        }
    }

    var resetReason: ResetReason {
        switch self {
        case .requestTimeout, .tryTimeout: .requestTimeout
        case .streamIdleTimeout, .requestIdleTimeout: .idleTimeout
        case .invalidResponse: .upstreamProtocolError
        case .brokenRequest: .downstreamProtocolError
        case .overloaded: .overload
        default: .upstreamDisconnect
        }
    }
}

/// Turns every error of an exchange into a response or a reset: here and nowhere else.
extension ExchangeDriver {
    func rescue(_ fault: ProxyFault) {
        guard exchange.isOpen else { return }
        let answer = fault.answer
        exchange.flags.insert(answer.flag)
        if case .invalidResponse(let detail) = fault {
            services.log(.debug, "upstream response refused: \(detail)", of: exchange)
        }
        abandonAttempt()
        requestDeadline = .never
        if isResponseHeadSent {
            // Part of a response is out; only breaking it off tells the client that it is not whole.
            exchange.reason = answer.reason
            return give(up: fault.resetReason)
        }
        let reply = Reply.refusal(answer.status, answer.reason)
        // A gRPC client's own deadline, in the words that its own clock would find.
        if case .requestTimeout = fault, attempt.hasDeadline { reply.grpcStatus = GRPCStatus.deadlineExceeded.rawValue }
        if responseFlow.hasBegun {
            // Some filters have seen another response already; none may see a second one.
            exchange.flags.insert(.localReset)
            exchange.answerPastFilters(reply)
        } else {
            exchange.begin(reply)
        }
    }
}
