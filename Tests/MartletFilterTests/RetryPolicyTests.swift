import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@Suite("What is retried")
struct RetryPolicyTests {
    private static func policy(_ conditions: RetryPolicy.Conditions) -> RetryPolicy {
        RetryPolicy(
            conditions: conditions, attempts: 2, perTryTimeout: .zero, budget: nil,
            backoff: RetryPolicy.Backoff(base: .milliseconds(1), max: .milliseconds(1)), bodyLimit: 0,
            avoidsPreviousHosts: false, maxRetryAfter: .zero, hedges: false, retriesNested: false)
    }

    private static let outcomes: [RetryPolicy.Outcome] = [
        .connectFailure, .refusedStream, .reset(wasSent: false), .reset(wasSent: true), .timeout,
    ]

    @Test(
        "Of tries that came to no response, by condition",
        arguments: [
            (.connectFailure, [true, false, false, false, false]),
            (.refusedStream, [false, true, false, false, false]),
            (.resetBeforeRequest, [true, false, true, false, false]), (.reset, [true, true, true, true, true]),
            (.gatewayError, [true, true, true, true, true]), (.serverError, [true, true, true, true, true]),
            (.retriable4xx, [false, false, false, false, false]),
        ] as [(RetryPolicy.Conditions, [Bool])])
    func withoutResponse(conditions: RetryPolicy.Conditions, expected: [Bool]) {
        let policy = Self.policy(conditions)
        #expect(Self.outcomes.map { policy.wants($0, ResponseHead()) } == expected)
    }
}
