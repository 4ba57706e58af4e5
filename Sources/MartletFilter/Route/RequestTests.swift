package import MartletConfig
package import MartletCore
package import MartletHTTP

/// How one text of a request is compared, compiled. Shared by routes and by filters that ask the same of a request.
///
/// Every test has three outcomes: a pattern that gave up leaves open whether it matches, and who asked decides what is safe.
package enum TextTest: Sendable {
    case exact([UInt8]), prefix([UInt8]), suffix([UInt8]), contains([UInt8])
    case pattern(Pattern)
    case present(Bool)

    /// Nil after reporting an expression that does not compile.
    package init?(_ match: TextMatch, _ diagnostics: ConfigDiagnostics) {
        switch match {
        case .exact(let text): self = .exact(Array(text.utf8))
        case .prefix(let text): self = .prefix(Array(text.utf8))
        case .suffix(let text): self = .suffix(Array(text.utf8))
        case .contains(let text): self = .contains(Array(text.utf8))
        case .present(let present): self = .present(present)
        case .regex(let source):
            guard let pattern = RouteConditions.pattern(source, folds: false, matching: .whole, diagnostics) else {
                return nil
            }
            self = .pattern(pattern)
        }
    }

    /// What it says of a text that is there.
    package func match(_ value: Span<UInt8>) -> Pattern.Outcome {
        switch self {
        case .exact(let text): Pattern.Outcome(value.equals(text.span))
        case .prefix(let text): Pattern.Outcome(value.hasPrefix(text.span))
        case .suffix(let text): Pattern.Outcome(value.hasSuffix(text.span))
        case .contains(let text): Pattern.Outcome(value.contains(text.span))
        case .pattern(let pattern): pattern.match(value)
        case .present(let present): Pattern.Outcome(present)
        }
    }

    /// What it says of a text that is not there.
    package var matchOfNothing: Pattern.Outcome {
        if case .present(false) = self { return .matches }
        return .differs
    }
}

/// A test of a header. Of several fields of one name, one that passes is enough.
package struct HeaderTest: Sendable {
    private let name: HeaderName
    private let test: TextTest
    private let isInverted: Bool

    package init?(_ match: HeaderMatch, _ diagnostics: ConfigDiagnostics) {
        guard let test = TextTest(match.test, diagnostics) else { return nil }
        name = match.name
        self.test = test
        isInverted = match.isInverted
    }

    package func match(_ table: HeaderTable) -> Pattern.Outcome {
        let outcome = plainMatch(table)
        return isInverted ? outcome.inverted : outcome
    }

    /// Each field by itself: joined, a second field of the same name would hide the first from a rule that refuses it, and
    /// the upstream would still see both.
    private func plainMatch(_ table: HeaderTable) -> Pattern.Outcome {
        guard var index = table.firstIndex(of: name) else { return test.matchOfNothing }
        var outcome = Pattern.Outcome.differs
        while true {
            switch test.match(table.value(at: index)) {
            case .matches: return .matches
            case .gaveUp: outcome = .gaveUp
            case .differs: break
            }
            guard let next = table.firstIndex(of: name, from: index + 1) else { return outcome }
            index = next
        }
    }
}

/// A test of a parameter of the query. The first of that name counts; nothing is decoded.
package struct QueryTest: Sendable {
    private let name: [UInt8]
    private let test: TextTest

    package init?(_ match: QueryMatch, _ diagnostics: ConfigDiagnostics) {
        guard let test = TextTest(match.test, diagnostics) else { return nil }
        name = Array(match.name.utf8)
        self.test = test
    }

    package func match(_ request: RequestHead) -> Pattern.Outcome {
        guard let query = request.query() else { return test.matchOfNothing }
        var pairs = NamedPairs(.query)
        while let pair = pairs.next(in: query) {
            guard query.extracting(pair.name).equals(name.span) else { continue }
            return test.match(query.extracting(pair.value ?? pair.whole.upperBound..<pair.whole.upperBound))
        }
        return test.matchOfNothing
    }
}

extension Pattern.Outcome {
    package init(_ holds: Bool) { self = holds ? .matches : .differs }

    package var inverted: Pattern.Outcome {
        switch self {
        case .matches: .differs
        case .differs: .matches
        case .gaveUp: .gaveUp
        }
    }
}

extension Span where Element == UInt8 {
    /// The host of an authority; of an IPv6 address the brackets stay.
    @_lifetime(copy self)
    func withoutPort() -> Span<UInt8> {
        guard count > 0, self[count - 1] != 0x5D,
            let colon = firstIndex(of: 0x3A, from: self[0] == 0x5B ? firstIndex(of: 0x5D) ?? 0 : 0)
        else { return self }
        return extracting(0..<colon)
    }

    func contains(_ part: Span<UInt8>) -> Bool {
        guard part.count <= count else { return false }
        if part.isEmpty { return true }
        for start in 0...(count - part.count) where extracting(start..<(start + part.count)).equals(part) {
            return true
        }
        return false
    }
}
