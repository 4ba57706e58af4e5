internal import MartletConfig
internal import MartletCore
internal import MartletHTTP

/// A regular expression gave up on a request, within its limits: whether the route matches is not known, so neither is the
/// route.
package struct RouteMatchFailure: Error {}

/// What a route asks of a request besides host and plain path.
final class RouteConditions: Sendable {
    private enum Test: Sendable {
        case exact([UInt8]), prefix([UInt8]), suffix([UInt8]), contains([UInt8])
        case pattern(Pattern)
        case present(Bool)
    }

    private let methods: [[UInt8]]
    private let headers: [(name: HeaderName, test: Test, isInverted: Bool)]
    private let query: [(name: [UInt8], test: Test)]
    private let path: Pattern?

    /// Nil after reporting an expression that does not compile.
    init?(_ match: RouteMatch, diagnostics: ConfigDiagnostics) {
        var failed = false
        func pattern(_ source: RegexSource, folds: Bool = false) -> Pattern? {
            let compiled = RouteConditions.pattern(source, folds: folds, matching: .whole, diagnostics)
            if compiled == nil { failed = true }
            return compiled
        }
        func test(_ text: TextMatch) -> Test {
            switch text {
            case .exact(let text): .exact(Array(text.utf8))
            case .prefix(let text): .prefix(Array(text.utf8))
            case .suffix(let text): .suffix(Array(text.utf8))
            case .contains(let text): .contains(Array(text.utf8))
            case .present(let present): .present(present)
            case .regex(let source): pattern(source).map { .pattern($0) } ?? .present(true)
            }
        }
        methods = match.methods.map { Array($0.utf8) }
        headers = match.headers.map { ($0.name, test($0.test), $0.isInverted) }
        query = match.query.map { (Array($0.name.utf8), test($0.test)) }
        if case .regex(let source) = match.path {
            path = pattern(source, folds: !match.isCaseSensitive)
        } else {
            path = nil
        }
        if failed { return nil }
    }

    static func pattern(
        _ source: RegexSource, folds: Bool, matching extent: Pattern.Extent, _ diagnostics: ConfigDiagnostics
    ) -> Pattern? {
        do {
            return try Pattern(folds ? "(?i)" + source.pattern : source.pattern, matching: extent)
        } catch {
            diagnostics.error(at: source.place, "not a regular expression: \(error)", hint: "the syntax is PCRE2's")
            return nil
        }
    }

    /// Every request meets it.
    var isEmpty: Bool { methods.isEmpty && headers.isEmpty && query.isEmpty && path == nil }

    func holds(_ request: RequestHead) throws(RouteMatchFailure) -> Bool {
        if !methods.isEmpty {
            let method = request.methodBytes()
            guard methods.contains(where: { method.equals($0.span) }) else { return false }
        }
        if let path, !(try Self.matches(path, request.path())) { return false }
        let table = request.headers
        for header in headers {
            let holds = try holds(header.test, header.name, table)
            if holds == header.isInverted { return false }
        }
        guard !query.isEmpty else { return true }
        for parameter in query {
            let holds = try holds(parameter.test, parameter: parameter.name, request)
            if !holds { return false }
        }
        return true
    }

    private static func matches(_ pattern: Pattern, _ text: Span<UInt8>) throws(RouteMatchFailure) -> Bool {
        switch pattern.match(text) {
        case .matches: return true
        case .differs: return false
        case .gaveUp: throw RouteMatchFailure()
        }
    }

    private func holds(_ test: Test, _ name: HeaderName, _ table: HeaderTable) throws(RouteMatchFailure) -> Bool {
        guard let first = table.firstIndex(of: name) else {
            if case .present(false) = test { return true }
            return false
        }
        guard table.firstIndex(of: name, from: first + 1) != nil else { return try holds(test, table.value(at: first)) }
        // Several fields of one name are one list (RFC 9110 section 5.3).
        var joined: [UInt8] = []
        var index: Int? = first
        while let at = index {
            if !joined.isEmpty { joined.append(0x2C) }
            joined.append(contentsOf: table.value(at: at).array())
            index = table.firstIndex(of: name, from: at + 1)
        }
        return try holds(test, joined.span)
    }

    private func holds(_ test: Test, _ value: Span<UInt8>) throws(RouteMatchFailure) -> Bool {
        switch test {
        case .exact(let text): return value.equals(text.span)
        case .prefix(let text): return value.hasPrefix(text.span)
        case .suffix(let text): return value.hasSuffix(text.span)
        case .contains(let text): return value.contains(text.span)
        case .pattern(let pattern): return try Self.matches(pattern, value)
        case .present(let present): return present
        }
    }

    /// The first parameter of that name counts; nothing is decoded.
    private func holds(
        _ test: Test, parameter name: [UInt8], _ request: RequestHead
    ) throws(RouteMatchFailure) -> Bool {
        if let query = request.query() {
            var start = 0
            while start <= query.count {
                let end = query.firstIndex(of: 0x26, from: start) ?? query.count
                let pair = query.extracting(start..<end)
                let equals = pair.firstIndex(of: 0x3D)
                if pair.extracting(0..<(equals ?? pair.count)).equals(name.span) {
                    let from = equals.map { $0 + 1 } ?? pair.count
                    return try holds(test, pair.extracting(from..<pair.count))
                }
                start = end + 1
            }
        }
        if case .present(false) = test { return true }
        return false
    }
}

extension Span where Element == UInt8 {
    func contains(_ part: Span<UInt8>) -> Bool {
        guard part.count <= count else { return false }
        if part.isEmpty { return true }
        for start in 0...(count - part.count) where extracting(start..<(start + part.count)).equals(part) {
            return true
        }
        return false
    }
}
