internal import MartletCore

/// A hash table from byte strings to numbers, made once and then only read. Looking up hashes the bytes where they are:
/// no string and no array is made.
package struct ByteTable: Sendable {
    private var keys: [UInt8] = []
    private var entries: [(start: Int, length: Int, hash: UInt64)] = []
    private var slots: [Int32] = []
    private let folds: Bool

    /// - Parameter folds: ASCII case does not count.
    package init(folds: Bool) { self.folds = folds }

    package var count: Int { entries.count }

    // MARK: Hashing

    static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    /// FNV-1a, a byte at a time, so that the hash of every prefix comes by the way.
    @inline(__always)
    static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }

    @inline(__always)
    func fold(_ byte: UInt8) -> UInt8 { folds ? byte.lowercasedASCII : byte }

    func hash(_ bytes: Span<UInt8>) -> UInt64 {
        var hash = Self.seed
        for index in bytes.indices { hash = Self.step(hash, fold(bytes[index])) }
        return hash
    }

    // MARK: Looking up

    /// The number of the key that equals `bytes`, whose hash is `hash`.
    func find(_ bytes: Span<UInt8>, hash: UInt64) -> Int? {
        guard !slots.isEmpty else { return nil }
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash ^ (hash >> 32)) & mask
        while slots[slot] >= 0 {
            let number = Int(slots[slot])
            let entry = entries[number]
            if entry.hash == hash && entry.length == bytes.count && equals(bytes, entry.start) { return number }
            slot = (slot + 1) & mask
        }
        return nil
    }

    package func find(_ bytes: Span<UInt8>) -> Int? { slots.isEmpty ? nil : find(bytes, hash: hash(bytes)) }

    private func equals(_ bytes: Span<UInt8>, _ start: Int) -> Bool {
        for index in bytes.indices where fold(bytes[index]) != keys[start + index] { return false }
        return true
    }

    // MARK: Making

    /// The number of `key`, which is added when it is new.
    package mutating func insert(_ key: [UInt8]) -> Int {
        let folded = key.map { fold($0) }
        let hash = hash(folded.span)
        if let known = find(folded.span, hash: hash) { return known }
        entries.append((keys.count, folded.count, hash))
        keys.append(contentsOf: folded)
        if entries.count * 2 > slots.count { grow() } else { place(entries.count - 1) }
        return entries.count - 1
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: max(16, slots.count * 2))
        for number in entries.indices { place(number) }
    }

    private mutating func place(_ number: Int) {
        let mask = slots.count - 1
        let hash = entries[number].hash
        var slot = Int(truncatingIfNeeded: hash ^ (hash >> 32)) & mask
        while slots[slot] >= 0 { slot = (slot + 1) & mask }
        slots[slot] = Int32(number)
    }
}
