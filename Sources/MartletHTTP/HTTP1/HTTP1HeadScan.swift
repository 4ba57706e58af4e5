internal import MartletCore

/// Finds the end of a head that comes in pieces without parsing it, and without looking at any byte twice however slowly it
/// comes. A head that comes whole, as nearly all do, is parsed at once and never scanned.
struct HTTP1HeadScan {
    /// Everything before this index has been looked at.
    private var scanned: UInt32 = 0

    /// The length of the head including its empty line, nil when it is not whole yet.
    mutating func end(in input: Span<UInt8>, limit: Int) throws(HTTP1Fault) -> Int? {
        var position = Int(scanned)
        while let lineFeed = input.firstIndex(of: 0x0A, from: position) {
            guard lineFeed > 0, input[lineFeed - 1] == 0x0D else { throw .bareLF }
            guard lineFeed < limit else { throw .headTooLarge }
            // An empty line: the CR before this LF follows another LF.
            if lineFeed >= 2 && input[lineFeed - 2] == 0x0A {
                scanned = 0
                return lineFeed + 1
            }
            position = lineFeed + 1
        }
        guard input.count < limit else { throw .headTooLarge }
        scanned = UInt32(truncatingIfNeeded: input.count)
        return nil
    }

    /// Nothing of the head was there before.
    var isFresh: Bool { scanned == 0 }

    mutating func reset() { scanned = 0 }
}
