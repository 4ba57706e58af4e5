// MartletResilience holds the filters that keep a service up: limits of rate and of concurrency. What a cluster does by
// itself (circuit breaking, ejection) is MartletProxy's; what protects the process as a whole is its overload manager.

public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// `rate_limit`: lets so many requests of a key pass in a time, and answers 429 beyond.
public struct RateLimitKind: FilterKind {
    public let name = "rate_limit"
    private let states = LimitStates<TokenBuckets>()

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> RateLimitConfig? {
        RateLimitConfig(section, place: load.place, workers: load.workers, states: states)
    }

    /// What a route does not write is the listener's; its buckets are its own.
    public func decodeRoute(
        _ section: ConfigSection, _ config: RateLimitConfig, _ load: LoadContext
    ) -> RateLimitConfig? {
        RateLimitConfig(section, default: config, place: load.place, workers: load.workers, states: states)
    }

    public func makeFilter(_ config: RateLimitConfig, _ context: FilterContext) -> any Filter {
        RateLimit(config, context)
    }
}

final class RateLimit: Filter {
    /// What the response will tell the client.
    private final class Standing {
        var config: RateLimitConfig
        var remaining: UInt64 = 0
        /// Seconds until the bucket is full again.
        var reset: UInt64 = 0
        init(_ config: RateLimitConfig) { self.config = config }
    }

    private let config: RateLimitConfig
    private let context: FilterContext
    private let worker: Int
    private let counts: Counts
    private let standing: Slot<Standing>
    /// Used again, so that a request allocates nothing.
    private var spare: [Standing] = []
    private let text = ByteBuffer(capacity: 256)

    let hooks: Hooks

    private struct Counts {
        let allowed, limited, shadowed, overflowed, keyless, newKeys: Counter

        init(_ name: String, _ context: FilterContext) {
            func counter(_ what: String) -> Counter { context.counter("rate_limit_\(what)_total", [("limit", name)]) }
            allowed = counter("allowed")
            limited = counter("limited")
            shadowed = counter("shadow_limited")
            overflowed = counter("overflow")
            keyless = counter("missing_key")
            newKeys = counter("new_keys")
        }
    }

    private static let limitField = HeaderName("ratelimit-limit")
    private static let remainingField = HeaderName("ratelimit-remaining")
    private static let resetField = HeaderName("ratelimit-reset")
    private static let policyField = HeaderName("ratelimit-policy")
    private static let rateLimitField = HeaderName("ratelimit")
    private static let maxSpare = 1024

    init(_ config: RateLimitConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        worker = context.workerIndex
        counts = Counts(config.name, context)
        standing = context.slot(Standing.self)
        hooks = config.fields == .off ? [.requestHead] : [.requestHead, .responseHead, .end]
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = context.routeConfig(of: exchange, as: RateLimitConfig.self) ?? config
        let buckets = config.buckets(of: worker)
        let now = context.now.nanoseconds
        let take: TokenRate.Take
        if config.key.isShared {
            take = buckets.takeKeyless(at: now)
        } else if let hash = config.key.hash(of: exchange) {
            let taken = buckets.take(hash, at: now)
            take = taken.take
            switch taken.place {
            case .known: break
            case .new: counts.newKeys.add()
            case .overflow: counts.overflowed.add()
            }
        } else {
            counts.keyless.add()
            if config.missing == .skip { return .next }
            take = buckets.takeKeyless(at: now)
        }
        if config.isShadow {
            if take.isAllowed {
                counts.allowed.add()
            } else {
                counts.shadowed.add()
                exchange.shadowNotes.append("rate_limit \(config.name): \(config.status) rate-limited")
            }
            return .next
        }
        if config.fields != .off { remember(take, config, exchange, now) }
        if take.isAllowed {
            counts.allowed.add()
            return .next
        }
        counts.limited.add()
        let reply = Reply.refusal(config.status, "rate-limited", flag: .rateLimited)
        if config.tellsExhausted { reply.grpcStatus = GRPCStatus.resourceExhausted.rawValue }
        reply.headers.append((.retryAfter, "\(Self.seconds(take.wait))"))
        return .reply(reply)
    }

    private func remember(_ take: TokenRate.Take, _ config: RateLimitConfig, _ exchange: Exchange, _ now: UInt64) {
        let standing = spare.popLast() ?? Standing(config)
        standing.config = config
        standing.remaining = take.remaining
        standing.reset = Self.seconds(take.full > now ? take.full &- now : 0)
        exchange[self.standing] = standing
    }

    /// Rounded up: who waits so long has waited long enough.
    private static func seconds(_ nanoseconds: UInt64) -> UInt64 {
        nanoseconds / 1_000_000_000 &+ (nanoseconds % 1_000_000_000 == 0 ? 0 : 1)
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        guard let standing = exchange[self.standing] else { return .next }
        let fields = standing.config.fields
        if fields == .separate || fields == .both { addSeparate(standing, to: exchange.response.headers) }
        if fields == .structured || fields == .both { addStructured(standing, to: exchange.response.headers) }
        return .next
    }

    /// Of several limits, a further one here or upstream's own, the client is told the one it will meet first.
    private func addSeparate(_ standing: Standing, to headers: HeaderTable) {
        guard let limit = Self.limitField, let remaining = Self.remainingField, let reset = Self.resetField else {
            return
        }
        if let at = headers.firstIndex(of: remaining), let present = headers.value(at: at).decimal(),
            present <= standing.remaining
        {
            return
        }
        set(headers, limit, standing.config.rate.burst)
        set(headers, remaining, standing.remaining)
        set(headers, reset, standing.reset)
    }

    private func set(_ headers: HeaderTable, _ name: HeaderName, _ number: UInt64) {
        let text = self.text
        text.removeAll()
        text.append(decimal: number)
        headers.set(name, text.bytes())
    }

    /// Both are lists, in which every limit has its item.
    private func addStructured(_ standing: Standing, to headers: HeaderTable) {
        guard let policy = Self.policyField, let rateLimit = Self.rateLimitField else { return }
        let (config, text) = (standing.config, self.text)
        let value = config.policy
        headers.append(policy, value.span)
        text.removeAll()
        text.append("\"")
        text.append(config.name.utf8Span.span)
        text.append("\";r=")
        text.append(decimal: standing.remaining)
        text.append(";t=")
        text.append(decimal: standing.reset)
        headers.append(rateLimit, text.bytes())
    }

    func onEnd(_ exchange: Exchange) {
        guard let standing = exchange[self.standing] else { return }
        exchange[self.standing] = nil
        if spare.count < Self.maxSpare { spare.append(standing) }
    }
}
