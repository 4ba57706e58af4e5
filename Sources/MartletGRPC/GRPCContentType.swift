package import MartletCore

/// Which kind of gRPC a `content-type` stands for.
package enum GRPCContentType: Sendable, Equatable {
    /// `application/grpc`, alone or with a message format: `application/grpc+proto`.
    case grpc
    /// `application/grpc-web` and `application/grpc-web+proto`.
    case web
    /// `application/grpc-web-text`: the same in base64.
    case webText

    /// Nil when it is no gRPC at all. Media types are case-insensitive (RFC 9110 section 8.3.1); parameters do not count.
    package init?(_ value: Span<UInt8>) {
        guard value.count >= 16 else { return nil }
        let (prefix, rest) = (value.extracting(0..<16), value.extracting(16..<value.count))
        guard prefix.equalsIgnoringCase("application/grpc") else { return nil }
        if Self.ends(rest) {
            self = .grpc
        } else if rest.count >= 9, rest.extracting(0..<9).equalsIgnoringCase("-web-text"),
            Self.ends(rest.extracting(9..<rest.count))
        {
            self = .webText
        } else if rest.count >= 4, rest.extracting(0..<4).equalsIgnoringCase("-web"),
            Self.ends(rest.extracting(4..<rest.count))
        {
            self = .web
        } else {
            return nil
        }
    }

    package init?(in fields: HeaderTable) {
        guard let value = fields.first(id: .contentType), let kind = GRPCContentType(value) else { return nil }
        self = kind
    }

    /// Whether a request with these fields is one of plain gRPC.
    package static func isGRPC(_ fields: HeaderTable) -> Bool { GRPCContentType(in: fields) == .grpc }

    private static func ends(_ rest: Span<UInt8>) -> Bool {
        // What stands between is a name of a format, a parameter, or white space in front of one.
        rest.isEmpty || rest[0] == 0x2B || rest[0] == 0x3B || rest[0] == 0x20 || rest[0] == 0x09
    }

    /// The `+proto` of `application/grpc+proto`, with its plus; empty when there is none.
    @_lifetime(copy value)
    package static func format(_ value: Span<UInt8>) -> Span<UInt8> {
        guard let plus = value.firstIndex(of: 0x2B) else { return value.extracting(0..<0) }
        var end = plus + 1
        while end < value.count, value[end].isTokenCharacter { end += 1 }
        return value.extracting(plus..<end)
    }
}
