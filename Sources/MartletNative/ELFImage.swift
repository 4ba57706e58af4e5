internal import MartletCore

/// Whether bytes are a whole ELF file of 64 bits. The system's loader trusts what headers say, and a library that is cut short
/// ends the process when it is mapped: here a copy that is under way is told from a library.
enum ELFImage {
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 64, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]) else { return false }
        let programs = number(bytes, at: 32, of: 8)
        let sections = number(bytes, at: 40, of: 8)
        let (programSize, programCount) = (number(bytes, at: 54, of: 2), number(bytes, at: 56, of: 2))
        let (sectionSize, sectionCount) = (number(bytes, at: 58, of: 2), number(bytes, at: 60, of: 2))
        // The section headers come last in what linkers write.
        guard programSize >= 56, programCount > 0, fits(programs, programSize * programCount, bytes),
            sectionCount == 0 || fits(sections, sectionSize * sectionCount, bytes)
        else { return false }
        return (0..<programCount).allSatisfy { index in
            let header = Int(programs + index * programSize)
            // A segment's place in the file and how much of it is there.
            return fits(number(bytes, at: header + 8, of: 8), number(bytes, at: header + 32, of: 8), bytes)
        }
    }

    private static func fits(_ start: UInt64, _ count: UInt64, _ bytes: [UInt8]) -> Bool {
        let (end, overflow) = start.addingReportingOverflow(count)
        return !overflow && end <= UInt64(bytes.count)
    }

    /// Little-endian. Zero outside.
    private static func number(_ bytes: [UInt8], at start: Int, of count: Int) -> UInt64 {
        guard start >= 0, start <= bytes.count - count else { return 0 }
        return bytes[start..<start + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
