/// Makes `x-request-id` values: random UUIDs, version 4 (RFC 9562), 36 characters.
struct RequestIDs {
    private var random: WorkerRandom
    private var text = [UInt8](repeating: 0x2D, count: 36)

    init(random: WorkerRandom) { self.random = random }

    /// The array is the same one every time, so nothing is allocated once the last id is no longer held.
    mutating func next() -> [UInt8] {
        var high = random.next()
        var low = random.next()
        high = (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000
        low = (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        var position = 0
        var digit = 0
        while digit < 32 {
            if digit == 8 || digit == 12 || digit == 16 || digit == 20 { position += 1 }
            let word = digit < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: (word >> UInt64((15 - digit & 15) * 4)) & 15)
            text[position] = nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
            position += 1
            digit += 1
        }
        return text
    }
}
