internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What one `rate_limit` of a chain says, or a route in its place; with its buckets, which all workers share.
public final class RateLimitConfig: Sendable {
    enum Scope: String, CaseIterable {
        /// One bucket a key, whichever worker a request comes to.
        case process
        /// Each worker has its own: the whole process lets as many times as much pass.
        case worker
    }

    enum Mode: String, CaseIterable {
        case enforce
        /// Counts what it would have refused, and lets it pass.
        case shadow
    }

    /// The fields that tell the client where it stands.
    enum Fields: String, CaseIterable {
        /// `ratelimit-limit`, `ratelimit-remaining`, `ratelimit-reset` (draft-ietf-httpapi-ratelimit-headers-06).
        case separate
        /// `ratelimit-policy` and `ratelimit` (the same draft since -07).
        case structured
        case both, off
    }

    /// Labels metrics, and names the limit in `ratelimit-policy`.
    let name: String
    let key: RequestKey
    let rate: TokenRate
    let missing: MissingKey
    let status: UInt16
    let fields: Fields
    /// gRPC clients are told RESOURCE_EXHAUSTED, not UNAVAILABLE.
    let tellsExhausted: Bool
    let isShadow: Bool
    /// `"name";q=100;w=1`.
    let policy: [UInt8]
    /// One, or one a worker.
    private let buckets: [TokenBuckets]

    private let requests: Int
    private let per: Duration
    private let maxKeys: Int
    private let scope: Scope
    private let burst: Int

    /// Nil after errors were reported.
    init?(
        _ section: ConfigSection, default standard: RateLimitConfig? = nil, place: String, workers: Int,
        states: LimitStates<TokenBuckets>
    ) {
        let counts = 1...1_000_000_000
        if let standard {
            name = standard.name
            fields = standard.fields
        } else {
            name = section.value("name", .limitName) ?? "default"
            fields = section.choice("headers", default: .separate)
        }
        requests =
            standard.map { section.int("requests", default: $0.requests, in: counts) }
            ?? section.int(required: "requests", in: counts)
        per = section.duration(
            "per", default: standard?.per ?? .seconds(1), in: .milliseconds(1) ... .seconds(365 * 86_400))
        // A route that changes the rate and says nothing of a burst gets the rate's own.
        let isOwnRate = standard == nil || section.has("requests")
        burst = section.int("burst", default: isOwnRate ? requests : standard?.burst ?? requests, in: counts)
        key = RequestKey(section, default: standard?.key ?? RequestKey(parts: [.clientIP]))
        missing = section.choice("missing", default: standard?.missing ?? .limit)
        maxKeys = section.int("max_keys", default: standard?.maxKeys ?? 100_000, in: 1...10_000_000)
        scope = section.choice("scope", default: standard?.scope ?? .process)
        status = UInt16(section.int("status", default: standard.map { Int($0.status) } ?? 429, in: 400...599))
        tellsExhausted = section.bool(
            "rate_limited_as_resource_exhausted", default: standard?.tellsExhausted ?? false)
        isShadow = section.choice("mode", default: standard?.isShadow == true ? Mode.shadow : .enforce) == .shadow
        let seconds = max(per.components.seconds, 1)
        policy = Array("\"\(name)\";q=\(requests);w=\(seconds)".utf8)

        let period = Nanoseconds(per).rawValue
        guard let rate = TokenRate(requests: UInt64(requests), per: period, burst: UInt64(burst)) else {
            if period / UInt64(requests) < TokenRate.minInterval {
                section.error(at: "requests", "is more than a million a second", hint: "leave the limit out")
            } else {
                section.error(
                    at: section.has("burst") ? "burst" : "requests",
                    "an empty bucket would take more than a year to fill",
                    hint: "lower burst, or per")
            }
            return nil
        }
        self.rate = rate
        guard !section.diagnostics.hasErrors else { return nil }
        let settings = "\(place) \(requests) \(per) \(burst) \(key.description) \(maxKeys)"
        let (rateOfAll, keys) = (rate, key.isShared ? 1 : maxKeys)
        let owners = scope == .process ? ["process"] : (0..<max(workers, 1)).map { "worker \($0)" }
        do {
            buckets = try owners.map { owner throws(TokenBuckets.NoMemory) in
                try states.state(for: "\(settings) \(owner)") { () throws(TokenBuckets.NoMemory) in
                    try TokenBuckets(rateOfAll, maxKeys: keys)
                }
            }
        } catch {
            section.error(
                at: "max_keys", "there is no memory for a table of \(keys) keys",
                hint: scope == .worker ? "lower it, or write scope: process" : "lower it")
            return nil
        }
    }

    /// The buckets that a worker takes from.
    func buckets(of worker: Int) -> TokenBuckets { buckets[buckets.count == 1 ? 0 : worker % buckets.count] }
}

extension ConfigScalar where Value == String {
    /// What can be a label, and stand in a structured field's string, without quoting anything.
    static var limitName: ConfigScalar {
        name.checked { text in
            guard text.utf8.count <= 64, text.utf8.allSatisfy({ $0.isTokenCharacter && $0 != 0x22 }) else {
                return Problem("\"\(text.prefix(60))\" is no name of a limit", hint: "up to 64 letters, digits and -_.")
            }
            return nil
        }
    }
}
