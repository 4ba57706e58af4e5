/// Where in a token's claims a value is: `role`, or `realm_access.roles` for a member of a member.
///
/// Names may have dots of their own (`https://id.example.com/roles`), so every way to divide the path is tried, those with the
/// longest names first. Made once: looking up allocates nothing.
public struct ClaimPath: Sendable, Hashable {
    /// The number of ways doubles with each dot.
    public static let maxDots = 6

    /// As written.
    public let text: String
    private let ways: [[String]]

    /// Nil for an empty path, or more than `maxDots` dots.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !text.isEmpty, parts.count <= Self.maxDots + 1 else { return nil }
        self.text = text
        ways = Self.ways(parts[...])
    }

    /// A claim of the token itself.
    public init(name: String) {
        text = name
        ways = [[name]]
    }

    private static func ways(_ parts: ArraySlice<String>) -> [[String]] {
        guard !parts.isEmpty else { return [[]] }
        return (1...parts.count).reversed().flatMap { length in
            let name = parts.prefix(length).joined(separator: ".")
            return ways(parts.dropFirst(length)).map { [name] + $0 }
        }
    }

    public func value(in claims: JSONValue) -> JSONValue? {
        for way in ways {
            var value: JSONValue? = claims
            for name in way { value = value?[name] }
            if let value { return value }
        }
        return nil
    }
}
