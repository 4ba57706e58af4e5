/// What `%START_TIME(...)%` may say: strftime's letters as far as they are the same everywhere, and fractions. Always UTC.
package enum TimePattern {
    package enum Part: Sendable, Hashable {
        case literal(String)
        case year, shortYear, month, monthName, day, paddedDay, dayOfYear, weekday, hour, minute, second
        /// Whole seconds since 1970.
        case epoch
        /// So many digits of the second's fraction.
        case fraction(Int)
        case offset, zone
    }

    static let hint = "known: %Y %y %m %b %d %e %j %a %H %M %S %s %f %1f to %9f %F %T %z %Z %%"

    static func problem(_ pattern: String) -> String? {
        var problem: String?
        let parts = parse(pattern) { problem = problem ?? "%\($0) is not known" }
        let saysNothing = parts.allSatisfy { if case .literal = $0 { true } else { false } }
        return problem ?? (saysNothing ? "the pattern has nothing of a time" : nil)
    }

    /// The parts of a pattern; letters that are not known are reported and left out.
    package static func parse(_ pattern: String, report: (String) -> Void = { _ in }) -> [Part] {
        var parts: [Part] = []
        var literal = ""
        func add(_ new: [Part]) {
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts += new
        }
        var letters = pattern[...]
        while let letter = letters.popFirst() {
            guard letter == "%" else {
                literal.append(letter)
                continue
            }
            guard let code = letters.popFirst() else {
                report("")
                break
            }
            switch code {
            case "%": literal += "%"
            case "Y": add([.year])
            case "y": add([.shortYear])
            case "m": add([.month])
            case "b": add([.monthName])
            case "d": add([.day])
            case "e": add([.paddedDay])
            case "j": add([.dayOfYear])
            case "a": add([.weekday])
            case "H": add([.hour])
            case "M": add([.minute])
            case "S": add([.second])
            case "s": add([.epoch])
            case "f": add([.fraction(9)])
            case "z": add([.offset])
            case "Z": add([.zone])
            case "F": add([.year, .literal("-"), .month, .literal("-"), .day])
            case "T": add([.hour, .literal(":"), .minute, .literal(":"), .second])
            case "1"..."9":
                guard letters.first == "f", let digits = code.wholeNumberValue else { fallthrough }
                letters.removeFirst()
                add([.fraction(digits)])
            default: report(String(code))
            }
        }
        add([])
        return parts
    }
}
