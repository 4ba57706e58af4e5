internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// One entry of `allow_origins`.
enum OriginPattern: Sendable {
    case any
    /// The origin of what has none: sandboxed frames, files. Never meant by a wildcard or an expression.
    case null
    case exact([UInt8])
    /// `https://*.example.com:8443` is `https://` and `.example.com:8443`: one label or more between.
    case wildcard(scheme: [UInt8], suffix: [UInt8])
    case regex(String)

    var isAny: Bool {
        if case .any = self { return true }
        return false
    }

    var isNull: Bool {
        if case .null = self { return true }
        return false
    }
}

/// An origin that may read the answer, as it is told so. Of an origin written out there is one object for all requests.
final class CORSGrant: Sendable {
    let origin: [UInt8]
    init(_ origin: [UInt8]) { self.origin = origin }
}

/// The origins that are allowed, compiled.
struct CORSOrigins: Sendable {
    /// All are, and told so in a way that is the same for each.
    let always: CORSGrant?
    private var exact = ByteTable(folds: false)
    private var grants: [CORSGrant] = []
    private var wildcards: [(scheme: [UInt8], suffix: [UInt8])] = []
    private var patterns: [Pattern] = []
    private let null: CORSGrant?

    /// Nil after reporting an expression that does not compile.
    init?(_ list: [OriginPattern], at place: ConfigPlace, _ diagnostics: ConfigDiagnostics) {
        always = list.contains { $0.isAny } ? CORSGrant([0x2A]) : nil
        null = list.contains { $0.isNull } ? CORSGrant(Array("null".utf8)) : nil
        for pattern in list {
            switch pattern {
            case .any, .null: continue
            case .exact(let origin):
                if exact.insert(origin) == grants.count { grants.append(CORSGrant(origin)) }
            case .wildcard(let scheme, let suffix): wildcards.append((scheme, suffix))
            case .regex(let source):
                do {
                    patterns.append(try Pattern(source, matching: .whole))
                } catch {
                    diagnostics.error(
                        at: place, "\"\(source.prefix(60))\" is not a regular expression: \(error)",
                        hint: "the syntax is PCRE2's")
                    return nil
                }
            }
        }
    }

    /// What the origin is told; nil when it is not allowed.
    func grant(_ origin: Span<UInt8>) -> CORSGrant? {
        if let always { return always }
        if origin.equals("null") { return null }
        if let number = exact.find(origin) { return grants[number] }
        for wildcard in wildcards where Self.matches(origin, wildcard.scheme, wildcard.suffix) {
            return CORSGrant(origin.array())
        }
        // One that gave up allows nothing.
        for pattern in patterns where pattern.match(origin) == .matches { return CORSGrant(origin.array()) }
        return nil
    }

    private static func matches(_ origin: Span<UInt8>, _ scheme: [UInt8], _ suffix: [UInt8]) -> Bool {
        guard origin.count > scheme.count + suffix.count, origin.hasPrefix(scheme.span), origin.hasSuffix(suffix.span)
        else { return false }
        let labels = origin.extracting(scheme.count..<(origin.count - suffix.count))
        for index in labels.indices {
            switch labels[index] {
            case 0x61...0x7A, 0x30...0x39, 0x2D, 0x5F: continue
            // Between labels only.
            case 0x2E where index > 0 && index + 1 < labels.count && labels[index - 1] != 0x2E: continue
            default: return false
            }
        }
        return true
    }
}

extension ConfigScalar where Value == OriginPattern {
    static var originPattern: ConfigScalar {
        ConfigScalar(expected: "an origin such as https://www.example.com or https://*.example.com") { text in
            switch text {
            case "*": return .success(.any)
            case "null": return .success(.null)
            default: break
            }
            if text.hasPrefix("regex:") {
                let source = String(text.dropFirst(6))
                return source.isEmpty
                    ? .failure(Problem("an empty expression matches no origin")) : .success(.regex(source))
            }
            return origin(text.lowercased(), as: text)
        }
    }

    private static func origin(_ text: String, as written: String) -> Result<OriginPattern, Problem> {
        func wrong(_ message: String, _ hint: String) -> Result<OriginPattern, Problem> {
            .failure(Problem("\"\(written.prefix(60))\" \(message)", hint: hint))
        }
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://"), isScheme(text[..<colon]) else {
            return wrong("is no origin", "a scheme and a host, as in https://www.example.com")
        }
        let scheme = String(text[...text.index(colon, offsetBy: 2)])
        let authority = text[text.index(colon, offsetBy: 3)...]
        if let slash = authority.firstIndex(of: "/") {
            return wrong("has a path, and origins have none", "write: \(scheme)\(authority[..<slash])")
        }
        if let port = ["http://": ":80", "https://": ":443"][scheme], authority.hasSuffix(port) {
            return wrong("never comes: browsers leave the default port out", "write: \(text.dropLast(port.count))")
        }
        guard authority.hasPrefix("*") else {
            if authority.contains("*") {
                return wrong("has a * that stands for no label", "write https://*.example.com, or regex:...")
            }
            return authorityProblem(authority).map { .failure($0) } ?? .success(.exact(Array(text.utf8)))
        }
        let rest = authority.dropFirst()
        guard rest.hasPrefix("."), !rest.contains("*"), authorityProblem(rest.dropFirst()) == nil else {
            return wrong("has a * that stands for no label", "write https://*.example.com, or regex:...")
        }
        return .success(.wildcard(scheme: Array(scheme.utf8), suffix: Array(rest.utf8)))
    }

    private static func authorityProblem(_ text: Substring) -> Problem? {
        switch ConfigScalar<String>.authority.parse(String(text)) {
        case .success: nil
        case .failure(let problem): Problem(problem.message, hint: problem.hint)
        }
    }

    /// RFC 3986 section 3.1.
    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7A).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
        }
    }
}
