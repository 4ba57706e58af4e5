/// The kinds of text that routes are made of.
extension ConfigScalar where Value == String {
    /// An absolute path without query and fragment, as it stands in a request line.
    static var path: ConfigScalar {
        ConfigScalar(expected: "a path such as /api") { text in
            if let problem = targetProblem(text) { return .failure(problem) }
            if text.contains("?") {
                return .failure(Problem("a path has no query", hint: "match the query with \"query\""))
            }
            return .success(text)
        }
    }

    /// A path with or without a query.
    package static var target: ConfigScalar {
        ConfigScalar(expected: "a path such as /new or /new?a=b") { text in
            targetProblem(text).map { .failure($0) } ?? .success(text)
        }
    }

    private static func targetProblem(_ text: String) -> Problem? {
        guard text.hasPrefix("/") else {
            return Problem("\"\(text.prefix(60))\" does not begin with a slash", hint: "write: /\(text.prefix(60))")
        }
        if text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F }) {
            return Problem("a path holds no spaces, control characters or non-ASCII", hint: "percent-encode them")
        }
        return text.contains("#") ? Problem("a path has no fragment", hint: "write %23 for #") : nil
    }

    /// RFC 9110 section 9.1: a token; methods are case-sensitive.
    package static var method: ConfigScalar {
        ConfigScalar(expected: "a method such as GET") { text in
            let isToken =
                !text.isEmpty
                && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
            guard isToken else { return .failure(Problem("\"\(text.prefix(60))\" is not a method")) }
            let upper = text.uppercased()
            let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]
            if text != upper, known.contains(upper) {
                return .failure(Problem("\"\(text)\" is not a method: case counts", hint: "write: \(upper)"))
            }
            return .success(text)
        }
    }

    /// A host without a port: a name, an IPv4 address or an IPv6 address in brackets. Lower case.
    static var host: ConfigScalar {
        ConfigScalar(expected: "a host such as shop.example.com") { text in
            let host = text.lowercased()
            if let problem = hostProblem(host) { return .failure(problem) }
            return .success(host)
        }
    }

    /// A host with or without a port.
    package static var authority: ConfigScalar {
        ConfigScalar(expected: "a host such as shop.example.com") { text in
            var host = text.lowercased()
            if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
                guard let port = UInt16(host[host.index(after: colon)...]), port > 0 else {
                    return .failure(Problem("\"\(text.prefix(60))\" has no valid port"))
                }
                host = String(host[..<colon])
            }
            if let problem = hostProblem(host) { return .failure(problem) }
            return .success(text)
        }
    }

    static func hostProblem(_ host: String) -> Problem? {
        if host.hasPrefix("[") {
            return host.hasSuffix("]") && IPText.ipv6(host.dropFirst().dropLast()) != nil
                ? nil : Problem("\"\(host.prefix(60))\" is not an IPv6 address in brackets")
        }
        if host.contains("://") {
            return Problem("\"\(host.prefix(60))\" is a URL, not a host", hint: "leave the scheme and the path away")
        }
        if host.contains(":") {
            return Problem("\"\(host.prefix(60))\" has a port", hint: "hosts stand here without a port")
        }
        let isValid =
            !host.isEmpty && host.utf8.count <= 253
            && host.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x2E
                    || byte == 0x5F
            }
        return isValid ? nil : Problem("\"\(host.prefix(60))\" is not a host", hint: "letters, digits, \"-\" and \".\"")
    }
}

extension ConfigScalar where Value == Int {
    /// A status out of a few.
    static func status(_ valid: [Int]) -> ConfigScalar {
        int(in: 100...599).checked { status in
            valid.contains(status)
                ? nil
                : Problem(
                    "\(status) cannot be used here", hint: "valid: \(valid.map(String.init).joined(separator: ", "))")
        }
    }
}

extension HostPattern {
    static var scalar: ConfigScalar<HostPattern> {
        ConfigScalar(expected: "a host such as shop.example.com or *.example.com") { text in
            let host = text.lowercased()
            if host == "*" { return .success(.any) }
            let stars = host.utf8.count { $0 == 0x2A }
            if stars == 0 {
                return ConfigScalar<String>.hostProblem(host).map { .failure(.init($0.message, hint: $0.hint)) }
                    ?? .success(.exact(host))
            }
            let rest = host.hasPrefix("*") ? host.dropFirst() : host.dropLast()
            guard stars == 1, host.hasPrefix("*.") || host.hasSuffix(".*") else {
                return .failure(
                    .init(
                        "\"\(text.prefix(60))\" has a * that stands for no label",
                        hint: "write *.example.com, www.* or *"))
            }
            let name = host.hasPrefix("*") ? rest.dropFirst() : rest.dropLast()
            if let problem = ConfigScalar<String>.hostProblem(String(name)) {
                return .failure(.init(problem.message, hint: problem.hint))
            }
            return .success(host.hasPrefix("*") ? .suffix(String(rest)) : .prefix(String(rest)))
        }
    }
}
