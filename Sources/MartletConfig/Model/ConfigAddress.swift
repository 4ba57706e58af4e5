/// Where to listen or connect: `10.0.0.1:8080`, `[::1]:8080`, `unix:/run/app.sock`. Never a name: names need DNS.
package enum ConfigAddress: Sendable, Hashable, CustomStringConvertible {
    /// In network order as one number: 127.0.0.1 is 0x7F000001.
    case ipv4(UInt32, port: UInt16)
    /// The address as two halves, the first half first.
    case ipv6(UInt64, UInt64, port: UInt16)
    case unix(path: String)

    package var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port): port
        case .unix: nil
        }
    }

    /// Whether only this machine can reach it.
    package var isLoopback: Bool {
        switch self {
        case .ipv4(let bits, _): bits >> 24 == 127
        case .ipv6(let high, let low, _): high == 0 && low == 1
        case .unix: true
        }
    }

    /// Whether it stands for every address of the machine.
    package var isWildcard: Bool {
        switch self {
        case .ipv4(let bits, _): bits == 0
        case .ipv6(let high, let low, _): high == 0 && low == 0
        case .unix: false
        }
    }

    package var description: String {
        switch self {
        case .ipv4(let bits, let port):
            "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255):\(port)"
        case .ipv6(let high, let low, let port): "[\(Self.text(high, low))]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// RFC 5952: the longest run of two or more zero groups becomes `::`.
    private static func text(_ high: UInt64, _ low: UInt64) -> String {
        let groups = [high, low].flatMap { half in [48, 32, 16, 0].map { half >> UInt64($0) & 0xFFFF } }
        var longest = 0..<0
        var start = 0
        for index in 0...groups.count where index == groups.count || groups[index] != 0 {
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        let text = { (range: ArraySlice<UInt64>) in range.map { String($0, radix: 16) }.joined(separator: ":") }
        if longest.isEmpty { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }
}

extension ConfigAddress {
    static let nameHint = "a name is not an address"
    /// The kernel's limit on the path of a unix socket, its final NUL taken off.
    private static let maxUnixPath = 107

    /// `ports` are the ones that make sense: a listener may leave the choice to the kernel with 0, an endpoint may not.
    package static func scalar(ports: ClosedRange<UInt16>) -> ConfigScalar<ConfigAddress> {
        let expected = "an address such as 10.0.0.1:8080, [::1]:8080 or unix:/run/app.sock"
        return ConfigScalar(expected: expected) { text in parse(text, ports: ports, expected: expected) }
    }

    private static func parse(
        _ text: String, ports: ClosedRange<UInt16>, expected: String
    ) -> Result<ConfigAddress, ConfigScalar<ConfigAddress>.Problem> {
        let shown = text.prefix(80)
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                return .failure(.init("\"\(shown)\" is not a socket's path", hint: "write unix:/absolute/path"))
            }
            guard path.utf8.count <= maxUnixPath else {
                return .failure(.init("a socket's path has at most \(maxUnixPath) bytes"))
            }
            return .success(.unix(path: path))
        }
        guard let colon = text.lastIndex(of: ":") else {
            return .failure(.init("\"\(shown)\" has no port", hint: "expected \(expected)"))
        }
        let host = String(text[..<colon])
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            return .failure(.init("\"\(shown)\" has no port", hint: "expected \(expected)"))
        }
        guard let port = UInt16(digits), ports.contains(port) else {
            return .failure(
                .init(
                    "port \(digits.prefix(20)) is out of bounds",
                    hint: "expected \(ports.lowerBound) to \(ports.upperBound)"))
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let (high, low) = IPText.ipv6(host.dropFirst().dropLast()) else {
                return .failure(.init("\"\(host.prefix(60))\" is not an IPv6 address"))
            }
            return .success(.ipv6(high, low, port: port))
        }
        if let bits = IPText.ipv4(host[...]) { return .success(.ipv4(bits, port: port)) }
        if host.contains(":") {
            return .failure(
                .init(
                    "\"\(shown)\" is not an address",
                    hint: "an IPv6 address needs brackets: [\(host.prefix(50))]:\(port)"))
        }
        if host.isEmpty || host == "*" {
            return .failure(.init("\"\(shown)\" has no address", hint: "for every address write 0.0.0.0:\(port)"))
        }
        let isName = host.utf8.contains { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
        let hint = isName ? (host == "localhost" ? "write 127.0.0.1:\(port)" : nameHint) : nil
        return .failure(.init("\"\(host.prefix(60))\" is not an IP address", hint: hint))
    }
}
