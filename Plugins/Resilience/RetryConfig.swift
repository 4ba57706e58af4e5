internal import MartletConfig
internal import MartletCore
package import MartletFilter

/// The settings of `retry`, with Envoy's names for the conditions.
public struct RetryConfig: Sendable {
    /// What an attempt came to, as `on` names it.
    enum Condition: String, CaseIterable {
        case connectFailure = "connect-failure"
        case refusedStream = "refused-stream"
        case reset
        case resetBeforeRequest = "reset-before-request"
        case gatewayError = "gateway-error"
        case serverError = "5xx"
        case retriable4xx = "retriable-4xx"
        case statusCodes = "retriable-status-codes"
        case headers = "retriable-headers"
        case rateLimited = "envoy-ratelimited"
        case cancelled
        case deadlineExceeded = "deadline-exceeded"
        case `internal`
        case resourceExhausted = "resource-exhausted"
        case unavailable

        var conditions: RetryPolicy.Conditions {
            switch self {
            case .connectFailure: .connectFailure
            case .refusedStream: .refusedStream
            case .reset: .reset
            case .resetBeforeRequest: .resetBeforeRequest
            case .gatewayError: .gatewayError
            case .serverError: .serverError
            case .retriable4xx: .retriable4xx
            case .statusCodes: .statusCodes
            case .headers: .headers
            case .rateLimited: .rateLimited
            case .cancelled: .grpcCancelled
            case .deadlineExceeded: .grpcDeadlineExceeded
            case .internal: .grpcInternal
            case .resourceExhausted: .grpcResourceExhausted
            case .unavailable: .grpcUnavailable
            }
        }
    }

    private static let standard: RetryPolicy.Conditions = [.connectFailure, .refusedStream, .reset]
    private static let longest = Duration.seconds(3600)

    package let policy: RetryPolicy

    /// - Parameter base: what holds where the section says nothing.
    init(_ section: ConfigSection, over base: RetryConfig? = nil) {
        let old = base?.policy
        let conditions = Self.conditions(section) ?? old?.conditions ?? Self.standard
        let statuses =
            section.has("status_codes")
            ? Set(section.values("status_codes", .int(in: 400...599)).map { UInt16($0) }) : old?.statuses ?? []
        let headers =
            section.has("headers")
            ? section.sections("headers").compactMap { HeaderMatch($0) }.compactMap {
                HeaderTest($0, section.diagnostics)
            }
            : old?.headers ?? []
        let perTry = section.duration("per_try_timeout", in: .zero...Self.longest).map { Nanoseconds($0) }
        let hedges = section.bool("hedge_on_per_try_timeout") ?? old?.hedges ?? false
        let maxRetryAfter = section.duration("max_retry_after", in: .zero...Self.longest).map { Nanoseconds($0) }
        policy = RetryPolicy(
            conditions: conditions, attempts: section.int("attempts", in: 1...16) ?? old?.attempts ?? 2,
            perTryTimeout: perTry ?? old?.perTryTimeout ?? .zero,
            budget: Self.budget(section, old), backoff: Self.backoff(section, old), statuses: statuses,
            headers: headers,
            methods: Self.methods(section) ?? old?.methods,
            bodyLimit: section.size("buffer", in: 0 ... .mebibytes(64))?.bytes ?? old?.bodyLimit ?? 65_536,
            avoidsPreviousHosts: section.bool("avoid_previous_hosts") ?? old?.avoidsPreviousHosts ?? true,
            maxRetryAfter: maxRetryAfter ?? old?.maxRetryAfter ?? .seconds(30), hedges: hedges,
            retriesNested: section.bool("retry_nested") ?? old?.retriesNested ?? false)
        check(section)
    }

    private func check(_ section: ConfigSection) {
        check(
            section, "status_codes", "retriable-status-codes", policy.conditions.contains(.statusCodes),
            policy.statuses.isEmpty, "[429]")
        check(
            section, "headers", "retriable-headers", policy.conditions.contains(.headers), policy.headers.isEmpty,
            "[{ name: x-retry, exact: \"1\" }]")
        if policy.hedges && policy.perTryTimeout == .zero {
            section.error(
                at: "hedge_on_per_try_timeout", "has no effect without per_try_timeout",
                hint: "write per_try_timeout: 250ms")
        }
    }

    /// A list, and the condition that it is for.
    private func check(
        _ section: ConfigSection, _ key: String, _ condition: String, _ isAsked: Bool, _ isEmpty: Bool,
        _ example: String
    ) {
        guard isAsked == isEmpty, !section.diagnostics.hasErrors else { return }
        if isAsked {
            section.error(at: "on", "\"\(condition)\" without \(key)", hint: "write \(key): \(example)")
        } else {
            section.error(
                at: key, "has no effect without \"\(condition)\" in \"on\"", hint: "add it to \"on\"")
        }
    }

    private static func conditions(_ section: ConfigSection) -> RetryPolicy.Conditions? {
        guard section.has("on") else { return nil }
        let list: [Condition] = section.oneOrMore("on", .choice)
        if section.raw("on")?.items?.isEmpty == true {
            section.error(at: "on", "an empty list retries nothing", hint: "remove the filter, or write retry: off")
        }
        return list.reduce(into: []) { $0.insert($1.conditions) }
    }

    /// A share of requests, or `off`.
    private static func budget(_ section: ConfigSection, _ old: RetryPolicy?) -> Double? {
        guard let node = section.raw("budget") else { return old.map { $0.budget } ?? 0.2 }
        return node.isOff ? nil : section.percent("budget", default: 0.2)
    }

    private static func backoff(_ section: ConfigSection, _ old: RetryPolicy?) -> RetryPolicy.Backoff {
        guard let backoff = section.section("backoff") else {
            return old?.backoff ?? RetryPolicy.Backoff(base: .milliseconds(25), max: .milliseconds(250))
        }
        let base = backoff.duration("base", default: .milliseconds(25), in: .milliseconds(1) ... .seconds(60))
        let max = backoff.duration("max", default: base * 10, in: .milliseconds(1) ... .seconds(600))
        if max < base { backoff.error(at: "max", "is below \"base\"", hint: "ten times as much is usual") }
        return RetryPolicy.Backoff(base: Nanoseconds(base), max: Nanoseconds(max))
    }

    private static func methods(_ section: ConfigSection) -> [[UInt8]]? {
        guard section.has("methods") else { return nil }
        return section.oneOrMore("methods", .method).map { Array($0.utf8) }
    }
}
