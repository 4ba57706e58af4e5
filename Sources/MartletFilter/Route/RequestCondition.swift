package import MartletConfig
package import MartletCore
package import MartletHTTP

/// What a `match` asks of a request, whole: host and path as well, which a route index finds by its tables. For filters with
/// conditions of their own.
package final class RequestCondition: Sendable {
    private enum HostTest: Sendable {
        case exact([UInt8]), suffix([UInt8]), prefix([UInt8]), any
    }
    private enum PathTest: Sendable {
        case exact([UInt8]), prefix([UInt8]), segments([UInt8])
    }

    private let hosts: [HostTest]
    private let path: PathTest?
    private let foldsPath: Bool
    private let rest: RouteConditions?

    /// Nil after reporting an expression that does not compile.
    package init?(_ match: RouteMatch, diagnostics: ConfigDiagnostics) {
        guard let rest = RouteConditions(match, diagnostics: diagnostics) else { return nil }
        self.rest = rest.isEmpty ? nil : rest
        foldsPath = !match.isCaseSensitive
        hosts = match.hosts.map { pattern in
            switch pattern {
            case .exact(let text): .exact(Array(text.utf8))
            case .suffix(let text): .suffix(Array(text.utf8))
            case .prefix(let text): .prefix(Array(text.utf8))
            case .any: .any
            }
        }
        switch match.path {
        case .exact(let text): path = .exact(Array(text.utf8))
        case .prefix(let text): path = .prefix(Array(text.utf8))
        case .segments(let text): path = .segments(Array(text.utf8))
        case .regex, nil: path = nil
        }
    }

    /// Every request meets it.
    package var isEmpty: Bool { hosts.isEmpty && path == nil && rest == nil }

    /// A request on which an expression gives up does not meet it: for logs and replies, which guard nothing.
    package func holds(_ request: RequestHead) -> Bool { match(request) == .matches }

    package func match(_ request: RequestHead) -> Pattern.Outcome {
        if let path, !holds(path, request.path()) { return .differs }
        if !hosts.isEmpty {
            let host = Self.host(of: request.authority())
            guard hosts.contains(where: { Self.holds($0, host) }) else { return .differs }
        }
        return rest?.match(request) ?? .matches
    }

    private func holds(_ test: PathTest, _ path: Span<UInt8>) -> Bool {
        switch test {
        case .exact(let text): return path.count == text.count && begins(path, text)
        case .prefix(let text): return begins(path, text)
        case .segments(let text):
            // RFC 3986 section 3.3: a segment ends at a slash or with the path. The prefix `/` holds every segment.
            return begins(path, text) && (path.count == text.count || text.count == 1 || path[text.count] == 0x2F)
        }
    }

    private func begins(_ path: Span<UInt8>, _ text: [UInt8]) -> Bool {
        guard path.count >= text.count else { return false }
        let beginning = path.extracting(0..<text.count)
        return foldsPath ? beginning.equalsIgnoringCase(text.span) : beginning.equals(text.span)
    }

    private static func holds(_ test: HostTest, _ host: Span<UInt8>) -> Bool {
        switch test {
        case .any: return true
        case .exact(let text): return host.equalsIgnoringCase(text.span)
        case .suffix(let text):
            // One label or more in front.
            return host.count > text.count && host.extracting(last: text.count).equalsIgnoringCase(text.span)
        case .prefix(let text):
            return host.count > text.count && host.extracting(first: text.count).equalsIgnoringCase(text.span)
        }
    }

    /// The dot that ends a name written in full does not count: `admin.example.com.` is the same host.
    @_lifetime(copy authority)
    private static func host(of authority: Span<UInt8>) -> Span<UInt8> {
        let host = authority.withoutPort()
        return host.count > 1 && host[host.count - 1] == 0x2E ? host.extracting(0..<(host.count - 1)) : host
    }
}
