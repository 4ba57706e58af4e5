internal import MartletCore

/// Tokens that one worker has verified, by their bytes; when a place is full, what was used longest ago makes room. Belongs to one worker.
///
/// A token is looked for by the last bytes of its signature, which nobody can choose who cannot sign, and then compared whole. The
/// comparison stops at the first difference, and may: it begins only for who knows those last bytes, sixteen letters of a signature
/// that cannot be guessed, and of a token that is found nothing was secret from its holder. Only verified tokens are kept, so nobody fills
/// the table with anything else.
struct TokenCache {
    private static let ways = 4
    private static let tail = 16

    private var places: [VerifiedToken?]
    private let mask: Int
    private var uses: UInt64 = 0

    /// - Parameter capacity: tokens, rounded up to a power of two; 0 keeps none.
    init(capacity: Int) {
        guard capacity > 0 else {
            places = []
            mask = 0
            return
        }
        var sets = 1
        while sets * Self.ways < capacity { sets *= 2 }
        places = [VerifiedToken?](repeating: nil, count: sets * Self.ways)
        mask = sets - 1
    }

    /// Where the set of this token begins.
    private func start(_ token: Span<UInt8>) -> Int {
        var hash: UInt64 = 0
        for index in max(0, token.count - Self.tail)..<token.count {
            hash = (hash ^ UInt64(token[index])) &* 0x9E37_79B9_7F4A_7C15
        }
        return Int(truncatingIfNeeded: hash >> 32) & mask &* Self.ways
    }

    mutating func find(_ token: Span<UInt8>) -> VerifiedToken? {
        guard !places.isEmpty else { return nil }
        let start = start(token)
        for index in start..<(start + Self.ways) {
            guard let known = places[index], known.isMade(of: token) else { continue }
            uses &+= 1
            known.lastUse = uses
            return known
        }
        return nil
    }

    mutating func insert(_ token: VerifiedToken) {
        guard !places.isEmpty else { return }
        let bytes = token.bytes
        let start = start(bytes.span)
        var chosen = start
        for index in start..<(start + Self.ways) {
            guard let present = places[index] else {
                chosen = index
                break
            }
            if let oldest = places[chosen], present.lastUse < oldest.lastUse { chosen = index }
        }
        uses &+= 1
        token.lastUse = uses
        places[chosen] = token
    }

    mutating func removeAll() { for index in places.indices where places[index] != nil { places[index] = nil } }
}
