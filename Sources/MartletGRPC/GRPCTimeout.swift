package import MartletCore
internal import MartletHTTP

/// `grpc-timeout`: how long the one who asks will wait.
package enum GRPCTimeout {
    /// Nil when `value` is not up to eight digits and a unit.
    package static func parse(_ value: Span<UInt8>) -> Nanoseconds? { RequestDeadline.grpc(value) }

    /// The finest unit that eight digits suffice for; what a unit cannot tell is rounded up, so that nobody gives up early.
    package static func text(_ timeout: Nanoseconds) -> String {
        let units: [(String, UInt64)] = [
            ("n", 1), ("u", 1000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000),
            ("H", 3_600_000_000_000),
        ]
        for (unit, size) in units {
            let (amount, rest) = timeout.rawValue.quotientAndRemainder(dividingBy: size)
            let rounded = rest == 0 ? amount : amount + 1
            if rounded <= 99_999_999 { return "\(rounded)\(unit)" }
        }
        return "99999999H"
    }
}
