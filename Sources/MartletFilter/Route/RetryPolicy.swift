package import MartletCore
internal import MartletGRPC
package import MartletHTTP

/// When a request is tried again, and how. Immutable; the `retry` filter leaves one on the exchange, the proxy carries it
/// out.
package final class RetryPolicy: Sendable {
    /// What a try must have come to (Envoy's `retry_on`).
    package struct Conditions: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let connectFailure = Conditions(rawValue: 1 << 0)
        package static let refusedStream = Conditions(rawValue: 1 << 1)
        package static let reset = Conditions(rawValue: 1 << 2)
        package static let resetBeforeRequest = Conditions(rawValue: 1 << 3)
        package static let gatewayError = Conditions(rawValue: 1 << 4)
        package static let serverError = Conditions(rawValue: 1 << 5)
        package static let retriable4xx = Conditions(rawValue: 1 << 6)
        package static let statusCodes = Conditions(rawValue: 1 << 7)
        package static let headers = Conditions(rawValue: 1 << 8)
        package static let rateLimited = Conditions(rawValue: 1 << 9)
        package static let grpcCancelled = Conditions(rawValue: 1 << 10)
        package static let grpcDeadlineExceeded = Conditions(rawValue: 1 << 11)
        package static let grpcInternal = Conditions(rawValue: 1 << 12)
        package static let grpcResourceExhausted = Conditions(rawValue: 1 << 13)
        package static let grpcUnavailable = Conditions(rawValue: 1 << 14)

        /// A response that never came counts as the 5xx it would become.
        static let anyReset: Conditions = [.reset, .gatewayError, .serverError]
    }

    /// What one try came to, when it was not an answer to pass on.
    package enum Outcome: Sendable, Equatable {
        case connectFailure
        /// Upstream says that it has not looked at the request (HTTP/2's REFUSED_STREAM).
        case refusedStream
        /// Ended before a response. `wasSent`: some of the request had left.
        case reset(wasSent: Bool)
        /// `per_try_timeout` passed.
        case timeout
        /// A response head.
        case response
    }

    /// The wait before each retry: anything up to a bound that doubles (Envoy's jittered exponential back-off).
    package struct Backoff: Sendable {
        package var base: Nanoseconds
        package var max: Nanoseconds

        package init(base: Nanoseconds, max: Nanoseconds) {
            self.base = base
            self.max = max
        }

        /// Before retry number `retry`, from 1; `random` is 0..<1.
        package func wait(before retry: Int, random: Double) -> Nanoseconds {
            // Beyond 2^20 times the base every maximum has been reached.
            let bound = Double(base.rawValue) * Double((UInt64(1) << UInt64(min(Swift.max(retry, 1), 20))) - 1)
            return Nanoseconds(rawValue: UInt64(Swift.min(bound, Double(max.rawValue)) * random))
        }
    }

    package let conditions: Conditions
    /// Tries in all, the first included; at least 1.
    package let attempts: Int
    /// Of one try, from when it may begin to be answered; zero is none.
    package let perTryTimeout: Nanoseconds
    /// Retries that fail, as a share of requests. Nil: `circuit_breaker.max_retries` bounds those under way.
    package let budget: Double?
    package let backoff: Backoff
    package let statuses: Set<UInt16>
    /// One that holds is enough.
    package let headers: [HeaderTest]
    /// Methods that may be sent again although the first may have been processed; nil: the idempotent ones.
    package let methods: [[UInt8]]?
    /// Bytes of a request's body kept to be sent again.
    package let bodyLimit: Int
    package let avoidsPreviousHosts: Bool
    /// Longest `retry-after` that is waited for; zero: the field does not count.
    package let maxRetryAfter: Nanoseconds
    /// A try that takes longer than `perTryTimeout` goes on beside the next.
    package let hedges: Bool
    /// Retry although a proxy in front retries too.
    package let retriesNested: Bool

    package init(
        conditions: Conditions, attempts: Int, perTryTimeout: Nanoseconds, budget: Double?, backoff: Backoff,
        statuses: Set<UInt16> = [], headers: [HeaderTest] = [], methods: [[UInt8]]? = nil, bodyLimit: Int,
        avoidsPreviousHosts: Bool, maxRetryAfter: Nanoseconds, hedges: Bool, retriesNested: Bool
    ) {
        self.conditions = conditions
        self.attempts = attempts
        self.perTryTimeout = perTryTimeout
        self.budget = budget
        self.backoff = backoff
        self.statuses = statuses
        self.headers = headers
        self.methods = methods
        self.bodyLimit = bodyLimit
        self.avoidsPreviousHosts = avoidsPreviousHosts
        self.maxRetryAfter = maxRetryAfter
        self.hedges = hedges
        self.retriesNested = retriesNested
    }

    // MARK: Deciding

    /// Whether a try that came to `outcome` is one to retry. Whether it may be is another question: see `isSafe`.
    package func wants(_ outcome: Outcome, _ response: ResponseHead) -> Bool {
        switch outcome {
        // Nothing of the request leaves without a connection.
        case .connectFailure:
            !conditions.isDisjoint(with: Conditions.anyReset.union([.connectFailure, .resetBeforeRequest]))
        case .refusedStream: !conditions.isDisjoint(with: Conditions.anyReset.union(.refusedStream))
        case .reset(let wasSent):
            !conditions.isDisjoint(with: Conditions.anyReset)
                || (!wasSent && conditions.contains(.resetBeforeRequest))
        case .timeout: !conditions.isDisjoint(with: Conditions.anyReset)
        case .response: wants(response)
        }
    }

    private func wants(_ response: ResponseHead) -> Bool {
        let status = response.status
        // A limit that upstream enforces is not eased by asking again, unless that is asked for.
        let headers = response.headers
        if headers.firstIndex(id: .xEnvoyRateLimited) != nil { return conditions.contains(.rateLimited) }
        if conditions.contains(.serverError), status >= 500 { return true }
        if conditions.contains(.gatewayError), status >= 502, status <= 504 { return true }
        if conditions.contains(.retriable4xx), status == 409 { return true }
        if conditions.contains(.statusCodes), statuses.contains(status) { return true }
        if conditions.contains(.headers), self.headers.contains(where: { $0.match(headers) == .matches }) {
            return true
        }
        return wantsGRPC(headers)
    }

    private static let anyGRPC: Conditions = [
        .grpcCancelled, .grpcDeadlineExceeded, .grpcInternal, .grpcResourceExhausted, .grpcUnavailable,
    ]

    /// gRPC statuses count when they come in the head, as answers without a message have them.
    private func wantsGRPC(_ headers: HeaderTable) -> Bool {
        guard !conditions.isDisjoint(with: Self.anyGRPC), let value = headers.first(id: .grpcStatus) else {
            return false
        }
        let wanted: Conditions? =
            switch GRPCStatus(value) {
            case .cancelled: .grpcCancelled
            case .deadlineExceeded: .grpcDeadlineExceeded
            case .resourceExhausted: .grpcResourceExhausted
            case .internal: .grpcInternal
            case .unavailable: .grpcUnavailable
            default: nil
            }
        return wanted.map { conditions.contains($0) } ?? false
    }

    /// Whether sending the request again cannot do twice what was meant once (RFC 9110 section 9.2.2), or the operator
    /// says that it may.
    package func isSafe(_ outcome: Outcome, _ request: RequestHead, _ response: ResponseHead) -> Bool {
        switch outcome {
        case .connectFailure, .refusedStream, .reset(wasSent: false): return true
        case .reset, .timeout, .response: break
        }
        guard let methods else {
            // Every gRPC call is a POST: naming a status to retry on says that it may be.
            return request.method.isIdempotent
                || (outcome == .response && GRPCContentType.isGRPC(request.headers) && wantsGRPC(response.headers))
        }
        let method = request.methodBytes()
        for allowed in methods where method.equals(allowed.span) { return true }
        return false
    }
}
