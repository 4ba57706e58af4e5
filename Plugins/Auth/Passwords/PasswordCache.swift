internal import MartletCore
internal import MartletCrypto

/// Credentials that one worker knows to be right, by a keyed hash of them, for a time. Two halves: when the newer one is full it takes the
/// place of the older one, which is forgotten.
struct PasswordCache {
    private struct Entry {
        let user: Int
        let expires: Instant
    }

    private var newer: [SHA256Hash: Entry] = [:]
    private var older: [SHA256Hash: Entry] = [:]
    private let half: Int
    private let lifetime: Nanoseconds

    /// - Parameter lifetime: zero keeps nothing.
    init(capacity: Int, lifetime: Duration) {
        half = lifetime > .zero ? (capacity + 1) / 2 : 0
        self.lifetime = Nanoseconds(lifetime)
    }

    func user(_ credentials: SHA256Hash, at now: Instant) -> Int? {
        guard let entry = newer[credentials] ?? older[credentials], now < entry.expires else { return nil }
        return entry.user
    }

    mutating func insert(_ credentials: SHA256Hash, user: Int, at now: Instant) {
        guard half > 0 else { return }
        if newer.count >= half, newer[credentials] == nil {
            older = newer
            newer = [:]
        }
        newer[credentials] = Entry(user: user, expires: now + lifetime)
    }
}

/// How often a password was wrong, by user and address, on one worker. Counting begins anew with each window.
struct FailureCounts {
    private var counts: [UInt64: Int] = [:]
    private var ends = Instant(nanoseconds: 0)
    private let limit: Int
    private let window: Nanoseconds
    /// Beyond this many, further ones are not counted: what bounds them then is how fast passwords are checked.
    private static let maxEntries = 10_000

    /// - Parameter limit: 0 counts nothing.
    init(limit: Int, window: Duration) {
        self.limit = limit
        self.window = Nanoseconds(window)
    }

    /// Counts an attempt as a failure until `succeeded` takes it back. How long to wait when it is one too many; nil when it is not.
    mutating func begin(_ who: UInt64, at now: Instant) -> Nanoseconds? {
        guard limit > 0 else { return nil }
        if now >= ends {
            counts.removeAll(keepingCapacity: counts.capacity <= 1024)
            ends = now + window
        }
        let count = counts[who] ?? 0
        guard count < limit else { return ends - now }
        if count > 0 || counts.count < Self.maxEntries { counts[who] = count + 1 }
        return nil
    }

    mutating func succeeded(_ who: UInt64) { counts[who] = nil }

    /// The attempt came to nothing, neither right nor wrong.
    mutating func takeBack(_ who: UInt64) { if let count = counts[who] { counts[who] = count > 1 ? count - 1 : nil } }
}
