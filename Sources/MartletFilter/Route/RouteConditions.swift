internal import MartletConfig
internal import MartletCore
internal import MartletHTTP

/// A regular expression gave up on a request, within its limits: whether the route matches is not known, so neither is the
/// route.
package struct RouteMatchFailure: Error {}

/// What a route asks of a request besides host and plain path.
final class RouteConditions: Sendable {
    private let methods: [[UInt8]]
    private let headers: [HeaderTest]
    private let query: [QueryTest]
    private let path: Pattern?
    private let certificate: CertificateMatch?

    /// Nil after reporting an expression that does not compile.
    init?(_ match: RouteMatch, diagnostics: ConfigDiagnostics) {
        certificate = match.tls
        methods = match.methods.map { Array($0.utf8) }
        headers = match.headers.compactMap { HeaderTest($0, diagnostics) }
        query = match.query.compactMap { QueryTest($0, diagnostics) }
        var isPathMissing = false
        if case .regex(let source) = match.path {
            path = Self.pattern(source, folds: !match.isCaseSensitive, matching: .whole, diagnostics)
            isPathMissing = path == nil
        } else {
            path = nil
        }
        if isPathMissing || headers.count != match.headers.count || query.count != match.query.count { return nil }
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
    var isEmpty: Bool { methods.isEmpty && headers.isEmpty && query.isEmpty && path == nil && certificate == nil }

    func holds(_ request: RequestHead) throws(RouteMatchFailure) -> Bool {
        switch match(request) {
        case .matches: return true
        case .differs: return false
        case .gaveUp: throw RouteMatchFailure()
        }
    }

    /// What surely differs does so whatever a pattern that gave up would have said.
    func match(_ request: RequestHead) -> Pattern.Outcome {
        if !methods.isEmpty {
            let method = request.methodBytes()
            guard methods.contains(where: { method.equals($0.span) }) else { return .differs }
        }
        if let certificate {
            let client = request.clientCertificate
            if let presented = certificate.presented, presented != (client != .none) { return .differs }
            if let validated = certificate.validated, validated != (client == .validated) { return .differs }
        }
        var result = Pattern.Outcome.matches
        if let path {
            result = path.match(request.path())
            if result == .differs { return .differs }
        }
        let table = request.headers
        for header in headers {
            switch header.match(table) {
            case .matches: continue
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        for parameter in query {
            switch parameter.match(request) {
            case .matches: continue
            case .differs: return .differs
            case .gaveUp: result = .gaveUp
            }
        }
        return result
    }
}
