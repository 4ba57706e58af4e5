internal import MartletCore
internal import MartletCrypto
internal import MartletFilter
internal import MartletHTTP

/// A provider on one worker: its present keys, the tokens verified with them, and who waits for keys. Shared by the worker's filters
/// that ask this provider.
final class ProviderState {
    enum Outcome {
        case accepted(VerifiedToken, source: Int)
        case missing
        case refused(TokenFault)
        /// Keys may come that tell.
        case undecided(TokenFault)
    }

    let provider: JWTProvider
    private let settings: JWTProvider.Settings
    private let state = HashState()
    private var keys: KeySet?
    private var cache: TokenCache

    private let remote: RemoteKeys?
    private let context: FilterContext
    private var receiver: Receiver<Void>?
    private var watch: UInt64?
    private var timer: TimerHandle?
    private var waiting: [UInt64: () -> Void] = [:]
    private var lastWaiting: UInt64 = 0

    private let hits: Counter
    private let misses: Counter
    private let fetched: Counter
    private let fetchFailed: Counter

    init(_ provider: JWTProvider, _ context: FilterContext) {
        self.provider = provider
        self.context = context
        settings = provider.settings
        cache = TokenCache(capacity: settings.cacheSize)
        let labels = [("provider", settings.name ?? "")]
        // Of all listeners that ask this provider.
        hits = context.metrics.counter("martlet_jwt_cache_hits_total", labels)
        misses = context.metrics.counter("martlet_jwt_cache_misses_total", labels)
        fetched = context.metrics.counter("martlet_jwt_keys_fetched_total", labels)
        fetchFailed = context.metrics.counter("martlet_jwt_keys_fetch_failed_total", labels)
        switch provider.keys {
        case .fixed(let keys):
            self.keys = keys
            remote = nil
        case .fetched(let remote):
            self.remote = remote
            keys = remote.keys
            let receiver = context.receiver(of: Void.self) { [weak self] _ in self?.fetchEnded() }
            watch = remote.watch(receiver.sender)
            self.receiver = receiver
            armTimer()
        }
    }

    deinit { if let watch { remote?.unwatch(watch) } }

    // MARK: Tokens

    /// The token that the request brings for this provider, checked.
    /// - Parameter audiences: those of the route; nil for the provider's own.
    func examine(_ request: RequestHead, for audiences: [String]?) -> Outcome {
        var index = 0
        while index < settings.sources.count {
            switch settings.sources[index].find(in: request) {
            case .none: index += 1
            case .several: return .refused(.several)
            case .one(let place): return place.read(in: request) { check($0, source: index, for: audiences) }
            }
        }
        return .missing
    }

    private func check(_ token: Span<UInt8>, source: Int, for audiences: [String]?) -> Outcome {
        let now = Double(WallClock.now().nanoseconds) / 1_000_000_000
        if let known = cache.find(token) {
            hits.add()
            if let fault = known.fault(at: now, for: audiences) { return .refused(fault) }
            return .accepted(known, source: source)
        }
        guard token.count <= settings.maxTokenSize else { return .refused(.tooLarge) }
        if keys == nil, let remote { _ = takeOver(remote) }
        guard let keys else { return .undecided(.keysUnavailable) }
        misses.add()
        do throws(TokenFault) {
            let verified = try VerifiedToken(token, settings, keys, state, at: now)
            cache.insert(verified)
            if let fault = verified.fault(at: now, for: audiences) { return .refused(fault) }
            return .accepted(verified, source: source)
        } catch {
            guard error == .keyUnknown, let remote else { return .refused(error) }
            // Another worker may have fetched the key a moment ago, and the news of it be on its way.
            if takeOver(remote) { return check(token, source: source, for: audiences) }
            return .undecided(error)
        }
    }

    /// Whether there are other keys than those known here.
    private func takeOver(_ remote: RemoteKeys) -> Bool {
        let present = remote.keys
        guard present !== keys else { return false }
        keys = present
        // What the old keys have signed may no longer count.
        cache.removeAll()
        return true
    }

    // MARK: Waiting

    /// Has `again` called when keys may have come, or `settings.wait` is over. False when there is nothing to wait for: no fetch is
    /// under way or may begin now, or too many wait.
    func wait(because fault: TokenFault, _ again: @escaping () -> Void) -> Bool {
        guard let remote, remote.settings.wait > .zero, waiting.count < remote.settings.maxWaiting else { return false }
        if fault == .keyUnknown, remote.claim(.unknownKey, at: context.now) { fetch(remote) }
        // Without any keys the next try is worth waiting for as well.
        guard fault == .keysUnavailable || remote.isUnderWay else { return false }
        lastWaiting &+= 1
        let number = lastWaiting
        waiting[number] = again
        // Not the exchange's own timer, which ends with it: the place of one that has gone must become free as well.
        context.after(remote.settings.wait) { [weak self] in self?.waiting.removeValue(forKey: number)?() }
        return true
    }

    // MARK: Fetching

    private func armTimer() {
        guard let remote else { return }
        timer?.cancel()
        let now = context.now
        let delay = remote.due > now ? remote.due - now : .zero
        timer = context.after(.nanoseconds(Int64(clamping: delay.rawValue))) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        guard let remote else { return }
        if remote.claim(.isDue, at: context.now) { return fetch(remote) }
        // Another worker fetches, and every worker hears when it ends; or has done so, and there is a new time.
        if !remote.isUnderWay { armTimer() }
    }

    private func fetch(_ remote: RemoteKeys) {
        let settings = remote.settings
        var request = CallRequest(cluster: settings.cluster, path: settings.path, authority: settings.authority)
        request.headers = [(.accept, "application/json")]
        request.timeout = settings.timeout
        request.maxResponseBody = settings.maxSize
        let (context, fetched, fetchFailed) = (self.context, self.fetched, self.fetchFailed)
        // Holds what it needs, so that it ends well when this provider is gone.
        context.call(request) { result in
            let place = "\(settings.authority)\(settings.path)"
            switch Self.keys(in: result) {
            case .success(let keys):
                fetched.add()
                for fault in keys.faults { context.log(.warning, "jwt: keys of \(place): \(fault)") }
                remote.finished(keys, at: context.now)
            case .failure(let fault):
                fetchFailed.add()
                let delay = remote.finished(nil, at: context.now)
                let kept = remote.keys == nil ? "there are none yet" : "the old ones stay in use"
                context.log(
                    .warning,
                    "jwt: keys of \(place): \(fault.reason); \(kept); next try in \(Int(delay.milliseconds)) ms")
            }
        }
    }

    private static func keys(in result: CallResult) -> Result<KeySet, KeySet.Fault> {
        switch result {
        case .failure(let failure): return .failure(KeySet.Fault(reason: failure.rawValue))
        case .response(let response):
            guard response.head.status == 200 else {
                return .failure(KeySet.Fault(reason: "status \(response.head.status)"))
            }
            let text = response.body
            return Result { () throws(KeySet.Fault) in try KeySet.read(text.span, allowsSecrets: false) }
        }
    }

    private func fetchEnded() {
        guard let remote else { return }
        _ = takeOver(remote)
        armTimer()
        // Without keys they go on waiting for the next try.
        guard keys != nil else { return }
        let ready = waiting
        waiting = [:]
        for again in ready.values { again() }
    }
}
