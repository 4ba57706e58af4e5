internal import MartletConfig
internal import MartletCore

/// A set of media types: `text/html`, `text/*`, `application/*+json`, `*/*`.
struct ContentTypes: Sendable {
    struct Pattern: Sendable {
        fileprivate let type: [UInt8]
        /// What stands behind the slash; after a `*`, what the subtype ends with.
        fileprivate let subtype: [UInt8]
        fileprivate let isOpen: Bool

        init?(_ text: String) {
            let parts = text.lowercased().split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            let isOpen = parts[1].hasPrefix("*")
            let rest = isOpen ? parts[1].dropFirst() : parts[1]
            guard Self.isToken(parts[0]) || (parts[0] == "*" && parts[1] == "*") else { return nil }
            guard isOpen ? rest.isEmpty || (rest.hasPrefix("+") && Self.isToken(rest)) : Self.isToken(rest) else {
                return nil
            }
            type = Array(parts[0].utf8)
            subtype = Array(rest.utf8)
            self.isOpen = isOpen
        }

        private static func isToken(_ text: Substring) -> Bool {
            !text.isEmpty && text != "*" && text.utf8.allSatisfy(\.isTokenCharacter)
        }

        fileprivate func matches(_ type: Span<UInt8>, _ subtype: Span<UInt8>) -> Bool {
            guard self.type == [0x2A] || self.type.span.equalsIgnoringCase(type) else { return false }
            guard isOpen else { return self.subtype.span.equalsIgnoringCase(subtype) }
            return subtype.count > self.subtype.count
                && subtype.extracting(last: self.subtype.count).equalsIgnoringCase(self.subtype.span)
        }
    }

    private let patterns: [Pattern]
    var isEmpty: Bool { patterns.isEmpty }

    init(_ patterns: [Pattern]) { self.patterns = patterns }

    /// Text, and what is text under another name. Not `text/event-stream`: a stream that lasts for hours keeps its
    /// compressor as long.
    static let compressible = ContentTypes(
        [
            "text/html", "text/css", "text/plain", "text/xml", "text/csv", "text/markdown", "text/javascript",
            "application/json", "application/javascript", "application/xml", "application/wasm",
            "application/*+json", "application/*+xml", "image/svg+xml",
        ].compactMap { Pattern($0) })

    /// By the value of a `content-type` field.
    func contains(_ value: Span<UInt8>) -> Bool {
        let media = value.extracting(..<(value.firstIndex(of: 0x3B) ?? value.count)).trimmed()
        guard let slash = media.firstIndex(of: 0x2F) else { return false }
        let type = media.extracting(..<slash)
        let subtype = media.extracting((slash + 1)...)
        return patterns.contains { $0.matches(type, subtype) }
    }
}

extension ConfigScalar where Value == ContentTypes.Pattern {
    static var contentType: ConfigScalar {
        ConfigScalar(expected: "a media type such as text/html, text/* or application/*+json") { text in
            if let pattern = ContentTypes.Pattern(text) { return .success(pattern) }
            return .failure(
                Problem(
                    "\"\(text.prefix(60))\" is no media type",
                    hint: "write one such as text/html, text/* or application/*+json, without parameters"))
        }
    }
}
