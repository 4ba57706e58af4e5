internal import MartletCore

/// One part of a format: words that stand for themselves, or an operator.
package enum FormatPart: Sendable, Hashable {
    case literal(String)
    /// `%REQ(X-A?X-B):10%`: the operator, its argument, the alternative argument, and the most bytes written.
    case value(FormatOperator, argument: String?, alternative: String?, limit: Int?)

    /// As it is written in a format.
    var text: String {
        switch self {
        case .literal(let text):
            return text.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
        case .value(let operation, let argument, let alternative, let limit):
            var text = "%\(operation.rawValue)"
            if let argument { text += "(\(argument)\(alternative.map { "?\($0)" } ?? ""))" }
            if let limit { text += ":\(limit)" }
            return text + "%"
        }
    }
}

/// Where a format stands, as far as it decides what may stand in it.
package enum FormatUse: Sendable {
    case general
    /// What a reply of the proxy's own says: here, and only here, its body is known.
    case localReply
}

extension FormatPart {
    /// Splits a format at its operators. `%%` is a percent sign.
    package static func parse(
        _ format: String, for use: FormatUse = .general, report: (_ message: String, _ hint: String?) -> Void
    ) -> [FormatPart] {
        var parts: [FormatPart] = []
        var literal = ""
        var rest = format[...]
        while let start = rest.firstIndex(of: "%") {
            literal += rest[..<start]
            rest = rest[rest.index(after: start)...]
            guard let end = endOfOperator(rest) else {
                report("the operator %\(rest.prefix(40)) is not closed", "write %% for a percent sign")
                break
            }
            let text = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if text.isEmpty {
                literal += "%"
                continue
            }
            if let part = value(text, use, report) {
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(part)
            }
        }
        literal += rest
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    /// The next `%` outside of parentheses.
    private static func endOfOperator(_ text: Substring) -> Substring.Index? {
        var isInArgument = false
        for index in text.indices {
            switch text[index] {
            case "(": isInArgument = true
            case ")": isInArgument = false
            case "%" where !isInArgument: return index
            default: break
            }
        }
        return nil
    }

    /// `NAME`, `NAME(ARGUMENT?ALTERNATIVE)`, either with `:LIMIT`.
    private static func value(
        _ text: Substring, _ use: FormatUse, _ report: (String, String?) -> Void
    ) -> FormatPart? {
        let nameEnd = text.firstIndex { $0 == "(" || $0 == ":" } ?? text.endIndex
        let name = String(text[..<nameEnd])
        guard let operation = FormatOperator(rawValue: name) else {
            report(
                "unknown operator %\(name.prefix(60))%",
                NearestName.hint(name, in: FormatOperator.allCases.map(\.rawValue), what: "operators"))
            return nil
        }
        if operation == .localReplyBody && use != .localReply {
            report("%\(name)% is known in local_replies only", nil)
            return nil
        }
        var rest = text[nameEnd...]
        var argument: String?
        if rest.first == "(" {
            guard let close = rest.firstIndex(of: ")") else {
                report("%\(name)(...)% is not closed", nil)
                return nil
            }
            argument = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = rest[rest.index(after: close)...]
        }
        guard let names = names(argument, of: operation, report) else { return nil }
        var limit: Int?
        if rest.first == ":" {
            limit = Int(rest.dropFirst()).flatMap { (1...65_536).contains($0) ? $0 : nil }
            rest = limit == nil ? rest : ""
        }
        guard rest.isEmpty else {
            report("%\(text.prefix(60))% is not an operator", "after the name may come (ARGUMENT) and :LIMIT")
            return nil
        }
        // One operator by two names.
        if operation == .grpcStatus && names.first == "NUMBER" {
            return .value(.grpcStatusNumber, argument: nil, alternative: nil, limit: limit)
        }
        return .value(operation, argument: names.first, alternative: names.count > 1 ? names[1] : nil, limit: limit)
    }

    /// What stands in the parentheses: nothing, one text, or two headers. Nil after reporting what is wrong with it.
    private static func names(
        _ argument: String?, of operation: FormatOperator, _ report: (String, String?) -> Void
    ) -> [String]? {
        let name = operation.rawValue
        switch operation.argument {
        case .none:
            if argument == nil { return [] }
            report("%\(name)% takes no argument", "write %\(name)%")
        case .header:
            guard let argument else {
                report("%\(name)% names no header", "write %\(name)(HEADER)%")
                return nil
            }
            let names = argument.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.lowercased() }
            if names.allSatisfy(isHeader) { return names }
            report("%\(name)(...)% names no header", "write %\(name)(HEADER)% or %\(name)(HEADER?OTHER)%")
        case .time:
            guard let argument else { return [] }
            if let problem = TimePattern.problem(argument) {
                report("%\(name)(\(argument.prefix(60)))%: \(problem)", TimePattern.hint)
                return nil
            }
            return [argument]
        case .path(let count):
            let parts = (argument ?? "").split(separator: ":", omittingEmptySubsequences: false)
            if parts.count >= count, parts.allSatisfy({ !$0.isEmpty }) { return argument.map { [$0] } }
            let shape = ["NAME", "NAMESPACE:KEY"][count - 1]
            report("%\(name)% names nothing", "write %\(name)(\(shape))%")
        case .claim:
            if let argument, ClaimPath(argument) != nil { return [argument] }
            report("%\(name)% names no claim", "write %\(name)(role)%, or %\(name)(org.id)% for a member of a member")
        case .choice(let valid):
            guard let argument else { return [] }
            if valid.contains(argument) { return [argument] }
            report(
                "%\(name)(\(argument.prefix(60)))% is not known",
                NearestName.hint(argument, in: valid, what: "valid"))
        }
        return nil
    }

    /// A token, or a pseudo-header.
    private static func isHeader(_ name: String) -> Bool {
        if name.hasPrefix(":") { return [":method", ":path", ":authority", ":scheme"].contains(name) }
        return !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
                    || "!#$&'*+-.^_`|~".utf8.contains(byte)
            }
    }
}
