internal import MartletCore
internal import MartletCrypto
internal import MartletFilter

/// The passwords of a user table on one worker: which are known to be right, which are being checked, and who waits for that. Shared by the
/// worker's filters with that table.
final class PasswordState {
    enum Outcome {
        /// The number of the user.
        case right(Int)
        case wrong
        case malformed
        /// `heard` will be told.
        case waiting
        /// Too many wrong ones, and for how long no more are checked.
        case tooMany(Nanoseconds)
        case overloaded
    }

    private let table: UserTable
    private let context: FilterContext
    private let state = HashState()
    private var known: PasswordCache
    private var failures: FailureCounts
    /// By the keyed hash of credentials: requests that came with the same ones wait for the same check.
    private var pending: [SHA256Hash: [(Int?) -> Void]] = [:]
    private var waiting = 0

    private let hits: Counter
    private let checks: Counter

    init(_ table: UserTable, _ context: FilterContext) {
        self.table = table
        self.context = context
        known = PasswordCache(capacity: table.settings.cacheSize, lifetime: table.settings.cache)
        failures = FailureCounts(limit: table.settings.maxFailures, window: table.settings.failureWindow)
        // Of all listeners with this table.
        hits = context.metrics.counter("martlet_basic_auth_cache_hits_total")
        checks = context.metrics.counter("martlet_basic_auth_checks_total")
    }

    /// - Parameters:
    ///   - credentials: as they stand behind `Basic`.
    ///   - heard: called once after `waiting`, with the number of the user whose password it was.
    func examine(_ credentials: Span<UInt8>, from address: String, _ heard: @escaping (Int?) -> Void) -> Outcome {
        guard credentials.count <= Credentials.maxLength else { return .malformed }
        let digest = state.hmac(credentials, key: table.secret)
        if let user = known.user(digest, at: context.now) {
            hits.add()
            return .right(user)
        }
        guard let pair = Credentials(credentials) else { return .malformed }
        guard waiting < table.settings.maxWaiting else { return .overloaded }
        if pending[digest] != nil {
            pending[digest]?.append(heard)
            waiting += 1
            return .waiting
        }
        return start(pair, digest, from: address, heard)
    }

    private func start(
        _ pair: Credentials, _ digest: SHA256Hash, from address: String, _ heard: @escaping (Int?) -> Void
    ) -> Outcome {
        let who = state.hmac((pair.user + [0] + Array(address.utf8)).span, key: table.secret).prefix
        if let delay = failures.begin(who, at: context.now) { return .tooMany(delay) }
        let number = table.number(of: pair.user)
        // Who is not there is checked too, so that it takes as long to be told so.
        let hash = table.users[number ?? table.standIn(for: pair.user, state)].hash
        let password = pair.password
        let isAccepted = context.offload(limit: table.settings.queue) {
            hash.matches(password)
        } _: { [weak self] isRight in
            self?.checked(digest, who, isRight ? number : nil)
        }
        guard isAccepted else {
            failures.takeBack(who)
            return .overloaded
        }
        checks.add()
        pending[digest] = [heard]
        waiting += 1
        return .waiting
    }

    private func checked(_ digest: SHA256Hash, _ who: UInt64, _ user: Int?) {
        if let user {
            failures.succeeded(who)
            known.insert(digest, user: user, at: context.now)
        }
        let heard = pending.removeValue(forKey: digest) ?? []
        waiting -= heard.count
        for hear in heard { hear(user) }
    }
}

/// User and password as a client sends them (RFC 7617 section 2).
struct Credentials {
    let user: [UInt8]
    let password: [UInt8]

    /// Bytes of base64: more than any user and password that can be right.
    static let maxLength = 2048

    /// Nil unless it is base64 of `user:password` without control characters. With NUL in it a password would be read to there only.
    init?(_ text: Span<UInt8>) {
        guard let bytes = Base64.decode(text, .standard), let colon = bytes.firstIndex(of: 0x3A), colon > 0,
            bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), bytes.count - colon - 1 <= PasswordChecker.maxPassword
        else { return nil }
        user = Array(bytes[..<colon])
        password = Array(bytes[(colon + 1)...])
    }
}
