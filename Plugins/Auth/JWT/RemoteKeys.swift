internal import MartletCore
internal import MartletFilter
internal import Synchronization

/// A key set that is fetched from a cluster: once for the process, whoever of its workers comes first, and again before it grows old.
///
/// What was fetched stays in use until something better comes: a failing key server keeps nobody out who is in.
///
///     claim ──▶ under way ──▶ finished(keys)  ──▶ due again after `refresh`
///       ▲                 └─▶ finished(fault) ──▶ due again after a back-off that doubles
///       └── a token names an unknown key, and the last fetch began `unknownKeyInterval` ago
final class RemoteKeys: Sendable {
    struct Settings: Sendable, Hashable {
        var cluster: String
        var authority: String
        var path: String
        /// How old keys may become before they are fetched again (`cache`).
        var refresh: Duration = .seconds(600)
        /// Of one fetch.
        var timeout: Duration = .seconds(5)
        /// The longest that a request waits for keys.
        var wait: Duration = .seconds(2)
        /// Requests that wait at a time, on each worker.
        var maxWaiting = 1000
        var maxSize: ByteCount = .kibibytes(256)
        /// Between fetches that unknown keys ask for.
        var unknownKeyInterval: Duration = .seconds(10)
    }

    enum Why { case isDue, unknownKey }

    private struct State {
        var keys: KeySet?
        var isUnderWay = false
        var due = Instant(nanoseconds: 0)
        var began: Instant?
        var failures = 0
        var watchers: [UInt64: Sender<Void>] = [:]
        var lastWatcher: UInt64 = 0
    }

    let settings: Settings
    // Any worker, for a look; never while a request with known keys passes.
    private let state = Locked(State())

    init(_ settings: Settings) { self.settings = settings }

    var keys: KeySet? { state.withLock { $0.keys } }
    /// When the next fetch is due.
    var due: Instant { state.withLock { $0.due } }
    var isUnderWay: Bool { state.withLock { $0.isUnderWay } }

    /// True for the one caller who is to fetch now, and who must call `finished` then.
    func claim(_ why: Why, at now: Instant) -> Bool {
        state.withLock { state in
            guard !state.isUnderWay else { return false }
            switch why {
            case .isDue: guard state.due <= now else { return false }
            case .unknownKey:
                if let began = state.began, now < began + Nanoseconds(settings.unknownKeyInterval) { return false }
            }
            state.isUnderWay = true
            state.began = now
            return true
        }
    }

    /// What the fetch came to: keys, or nil for none that can be used. Tells every worker. Returns how long until the next.
    @discardableResult
    func finished(_ keys: KeySet?, at now: Instant) -> Nanoseconds {
        let (watchers, delay) = state.withLock { state -> ([Sender<Void>], Nanoseconds) in
            state.isUnderWay = false
            if let keys {
                state.failures = 0
                // The same text is the same set: what workers remember of its tokens stays.
                if state.keys?.fingerprint != keys.fingerprint { state.keys = keys }
            } else {
                state.failures += 1
            }
            let delay = keys == nil ? Self.backOff(state.failures) : Nanoseconds(settings.refresh)
            state.due = now + delay
            return (Array(state.watchers.values), delay)
        }
        for watcher in watchers { watcher.send(()) }
        return delay
    }

    /// 250 ms, doubled with each failure up to 32 s, and up to half as much again at random, so that many proxies do not ask in step.
    static func backOff(_ failures: Int) -> Nanoseconds {
        let base = UInt64(250) << UInt64(min(max(failures - 1, 0), 7))
        return .milliseconds(base + UInt64.random(in: 0...(base / 2)))
    }

    /// `sender` hears of every end of a fetch until `unwatch`.
    func watch(_ sender: Sender<Void>) -> UInt64 {
        state.withLock { state in
            state.lastWatcher += 1
            state.watchers[state.lastWatcher] = sender
            return state.lastWatcher
        }
    }

    func unwatch(_ number: UInt64) { state.withLock { $0.watchers[number] = nil } }
}
