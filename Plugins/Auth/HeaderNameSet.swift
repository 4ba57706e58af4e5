internal import MartletConfig
internal import MartletCore

/// Names of headers as an operator lists them: whole ones, and beginnings with a star behind them (`x-forwarded-*`).
struct HeaderNameSet: Sendable {
    private let names: [[UInt8]]
    private let prefixes: [[UInt8]]

    init(_ patterns: [HeaderNamePattern]) {
        names = patterns.filter { !$0.isPrefix }.map(\.text)
        prefixes = patterns.filter(\.isPrefix).map(\.text)
    }

    var isEmpty: Bool { names.isEmpty && prefixes.isEmpty }

    func contains(_ name: Span<UInt8>) -> Bool {
        for known in names where name.equalsIgnoringCase(known.span) { return true }
        for prefix in prefixes where name.count > prefix.count {
            if name.extracting(first: prefix.count).equalsIgnoringCase(prefix.span) { return true }
        }
        return false
    }

    /// As `contains`, in whatever spelling.
    func containsSpelling(of name: Span<UInt8>) -> Bool {
        for known in names where name.isSpelling(of: known.span) { return true }
        for prefix in prefixes where name.count > prefix.count && name.beginsWithSpelling(of: prefix.span) {
            return true
        }
        return false
    }
}

/// One entry of such a list.
struct HeaderNamePattern: Sendable {
    /// Lower case, the star taken off.
    let text: [UInt8]
    let isPrefix: Bool
}

extension ConfigScalar where Value == HeaderNamePattern {
    static var headerNamePattern: ConfigScalar {
        ConfigScalar(expected: "a header's name, or its beginning as in x-forwarded-*") { text in
            let isPrefix = text.hasSuffix("*")
            let name = isPrefix ? String(text.dropLast()) : text
            guard let header = HeaderName(name), !name.contains("*") else {
                return .failure(
                    Problem(
                        "\"\(text.prefix(60))\" is not a header's name",
                        hint: "write x-user, or x-user-* for all that begin so"))
            }
            if !isPrefix, header.framesMessages {
                return .failure(Problem("\(header) cannot be passed on", hint: "the proxy frames messages itself"))
            }
            return .success(HeaderNamePattern(text: header.lowercased, isPrefix: isPrefix))
        }
    }
}

extension HeaderName {
    /// The field belongs to one connection or says where a message goes or ends: never taken from one message to another.
    var framesMessages: Bool { id.framesMessages }
}

extension HeaderID {
    var framesMessages: Bool {
        switch self {
        case .connection, .contentLength, .expect, .host, .http2Settings, .keepAlive, .proxyConnection, .te, .trailer,
            .transferEncoding, .upgrade:
            true
        default: false
        }
    }
}
