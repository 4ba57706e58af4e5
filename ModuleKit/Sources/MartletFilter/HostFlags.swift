internal import CMartletModule
internal import MartletCore

/// Response flags as the host numbers them: known by their letters, so that neither side depends on the other's order.
enum HostFlags {
    // Asked once; a host keeps its numbers.
    private static let bits: [(flag: ResponseFlag, bit: UInt32)] = ResponseFlag.allCases.compactMap { flag in
        let number = Border.lend(flag.letters) { unsafe martlet_of_host().pointee.flag_bit($0) }
        return number < 32 ? (flag, 1 << number) : nil
    }

    static func flags(_ bits: UInt32) -> ResponseFlags {
        var flags = ResponseFlags()
        for entry in Self.bits where bits & entry.bit != 0 { flags.insert(entry.flag) }
        return flags
    }

    static func bits(_ flags: ResponseFlags) -> UInt32 {
        Self.bits.reduce(0) { bits, entry in flags.contains(entry.flag) ? bits | entry.bit : bits }
    }
}
