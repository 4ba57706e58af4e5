package import MartletConfig
internal import MartletCore
package import MartletHTTP

/// A condition on a request as it stands, apart from routing: paths, methods, headers, query.
package final class RequestCondition: Sendable {
    private enum Path: Sendable {
        case any
        case exact([UInt8]), prefix([UInt8]), segments([UInt8])
    }

    private let path: Path
    private let rest: RouteConditions

    /// Nil after reporting an expression that does not compile.
    package init?(_ match: RouteMatch, diagnostics: ConfigDiagnostics) {
        path =
            switch match.path {
            case .exact(let text): .exact(Array(text.utf8))
            case .prefix(let text): .prefix(Array(text.utf8))
            case .segments(let text): .segments(Array(text.utf8))
            // RouteConditions looks at those.
            case .regex, nil: .any
            }
        guard let rest = RouteConditions(match, diagnostics: diagnostics) else { return nil }
        self.rest = rest
    }

    /// A request on which an expression gives up does not meet it.
    package func holds(_ request: RequestHead) -> Bool {
        guard holds(path: request.path()) else { return false }
        do throws(RouteMatchFailure) {
            return try rest.holds(request)
        } catch {
            return false
        }
    }

    private func holds(path value: Span<UInt8>) -> Bool {
        switch path {
        case .any: true
        case .exact(let text): value.equals(text.span)
        case .prefix(let text): value.hasPrefix(text.span)
        case .segments(let text):
            value.hasPrefix(text.span)
                && (value.count == text.count || text.last == 0x2F || value[text.count] == 0x2F)
        }
    }
}
