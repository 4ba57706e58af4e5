internal import MartletCore
internal import MartletCrypto

/// The claims of a token that a provider's rules are about (RFC 7519 section 4.1), read strictly: of the wrong type is as bad as wrong.
struct TokenClaims {
    let issuer: String?
    let subject: String?
    let audiences: [String]
    /// Seconds since 1970, like the next two.
    let expires: Double?
    let notBefore: Double?
    let issued: Double?

    init(_ claims: JSONValue) throws(TokenFault) {
        issuer = try Self.text("iss", claims)
        subject = try Self.text("sub", claims)
        expires = try Self.time("exp", claims)
        notBefore = try Self.time("nbf", claims)
        issued = try Self.time("iat", claims)
        switch claims["aud"] {
        case nil: audiences = []
        case .string(let name): audiences = [name]
        case .array(let items):
            var names: [String] = []
            for item in items {
                guard let name = item.string else { throw .claim }
                names.append(name)
            }
            audiences = names
        default: throw .claim
        }
    }

    private static func text(_ name: String, _ claims: JSONValue) throws(TokenFault) -> String? {
        guard let value = claims[name] else { return nil }
        guard let text = value.string else { throw .claim }
        return text
    }

    private static func time(_ name: String, _ claims: JSONValue) throws(TokenFault) -> Double? {
        guard let value = claims[name] else { return nil }
        guard let seconds = value.double else { throw .claim }
        return seconds
    }

    func isMeant(for names: [String]) -> Bool {
        audiences.contains { audience in names.contains { $0.hasSameBytes(as: audience) } }
    }
}

/// A claim as a header's value.
enum ClaimText {
    /// Text as it is, numbers and truth as JSON writes them, lists and objects as base64url of their JSON: joined in any other way, an
    /// item could pass for two. Nil when the text would not come through as it is.
    static func bytes(of value: JSONValue) -> [UInt8]? {
        switch value {
        case .string(let text): isFaithful(text) ? Array(text.utf8) : nil
        case .array, .object: Base64.encode(Array(json(value).utf8).span, .url)
        case .null, .bool, .integer, .number: Array(json(value).utf8)
        }
    }

    /// Whether every receiver reads the field as this text: no control characters, and no blanks that it would take off.
    private static func isFaithful(_ text: String) -> Bool {
        if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return false }
        return text.utf8.first != 0x20 && text.utf8.last != 0x20
    }

    static func json(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let truth): truth ? "true" : "false"
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .string(let text): quoted(text)
        case .array(let items): "[" + items.map(json).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { quoted($0.name) + ":" + json($0.value) }.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: out += "\\\""
            case 0x5C: out += "\\\\"
            case 0..<0x20: out += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
