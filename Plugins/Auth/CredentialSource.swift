internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Where in a request a client puts what proves who it is.
enum CredentialSource: Sendable, Equatable {
    /// What follows `prefix`, in any case, in the one field of this name. Spaces around it do not count.
    case header(HeaderName, prefix: [UInt8])
    /// A parameter of the query, by its name as it stands in the target.
    case query([UInt8])
    case cookie([UInt8])

    static let bearer = CredentialSource.header(.authorization, prefix: Array("bearer ".utf8))

    var header: HeaderName? {
        if case .header(let name, _) = self { return name }
        return nil
    }
}

/// Where in a request's bytes a credential stands.
struct CredentialPlace {
    /// The header field; nil is the target.
    let field: Int?
    let range: Range<Int>

    /// Calls `body` with the credential where it stands.
    func read<Outcome>(in request: RequestHead, _ body: (Span<UInt8>) -> Outcome) -> Outcome {
        guard let field else { return body(request.target().extracting(range)) }
        let headers = request.headers
        return body(headers.value(at: field).extracting(range))
    }
}

enum FoundCredential {
    case none
    case one(CredentialPlace)
    /// Two readers could take different ones.
    case several
}

extension CredentialSource {
    /// An empty one is none.
    func find(in request: RequestHead) -> FoundCredential {
        let found =
            switch self {
            case .header(let name, let prefix): Self.find(name, prefix, in: request.headers)
            case .query(let name): Self.find(parameter: name, in: request)
            case .cookie(let name): Self.find(cookie: name, in: request.headers)
            }
        if case .one(let place) = found, place.range.isEmpty { return .none }
        return found
    }

    private static func find(_ name: HeaderName, _ prefix: [UInt8], in headers: HeaderTable) -> FoundCredential {
        guard let index = headers.firstIndex(of: name) else { return .none }
        guard headers.firstIndex(of: name, from: index + 1) == nil else { return .several }
        let value = headers.value(at: index)
        guard startsIgnoringCase(value, with: prefix) else { return .none }
        var start = prefix.count
        var end = value.count
        while start < end, value[start] == 0x20 || value[start] == 0x09 { start += 1 }
        while end > start, value[end - 1] == 0x20 || value[end - 1] == 0x09 { end -= 1 }
        return .one(CredentialPlace(field: index, range: start..<max(start, end)))
    }

    /// `prefix` is in lower case.
    private static func startsIgnoringCase(_ value: Span<UInt8>, with prefix: [UInt8]) -> Bool {
        guard value.count >= prefix.count else { return false }
        for index in prefix.indices where value[index].lowercasedASCII != prefix[index] { return false }
        return true
    }

    private static func find(parameter name: [UInt8], in request: RequestHead) -> FoundCredential {
        let target = request.target()
        var found = FoundCredential.none
        guard let mark = target.firstIndex(of: 0x3F) else { return found }
        var pairs = NamedPairs(.query, from: mark + 1)
        while let pair = pairs.next(in: target) {
            guard let value = pair.value, target.extracting(pair.name).equals(name.span) else { continue }
            guard case .none = found else { return .several }
            found = .one(CredentialPlace(field: nil, range: value))
        }
        return found
    }

    private static func find(cookie name: [UInt8], in headers: HeaderTable) -> FoundCredential {
        var found = FoundCredential.none
        var next = headers.firstIndex(of: .cookie)
        while let field = next {
            let line = headers.value(at: field)
            var pairs = NamedPairs(.cookies)
            while let pair = pairs.next(in: line) {
                guard let value = pair.value, line.extracting(pair.name).equals(name.span) else { continue }
                guard case .none = found else { return .several }
                found = .one(CredentialPlace(field: field, range: value))
            }
            next = headers.firstIndex(of: .cookie, from: field + 1)
        }
        return found
    }

    // MARK: Removing

    /// Takes what stands at this place out of the request, all of it.
    func remove(from exchange: Exchange) {
        let request = exchange.request
        switch self {
        case .header(let name, let prefix):
            let headers = request.headers
            var next = headers.firstIndex(of: name)
            while let index = next {
                if Self.startsIgnoringCase(headers.value(at: index), with: prefix) {
                    headers.remove(at: index)
                    next = headers.firstIndex(of: name, from: index)
                } else {
                    next = headers.firstIndex(of: name, from: index + 1)
                }
            }
        case .query(let name):
            if case .none = Self.find(parameter: name, in: request) { return }
            // Routes are matched with what the client asked for.
            _ = exchange.route
            request.setTarget(Self.target(without: name, of: request).span)
        case .cookie(let name): request.headers.removeCookies(named: [name])
        }
    }

    private static func target(without name: [UInt8], of request: RequestHead) -> [UInt8] {
        let target = request.target()
        guard let mark = target.firstIndex(of: 0x3F) else { return target.array() }
        var out = target.extracting(first: mark).array()
        var separator: UInt8 = 0x3F
        var pairs = NamedPairs(.query, from: mark + 1)
        while let pair = pairs.next(in: target) {
            if pair.value != nil, target.extracting(pair.name).equals(name.span) { continue }
            out.append(separator)
            out += target.extracting(pair.whole).array()
            separator = 0x26
        }
        return out
    }
}

extension ConfigScalar where Value == [UInt8] {
    /// The name of a cookie or of a query's parameter: no separator, space or control character.
    static var parameterName: ConfigScalar {
        ConfigScalar(expected: "a name") { text in
            let bytes = Array(text.utf8)
            guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !Self.separators.contains($0) }) else {
                return .failure(
                    Problem("\"\(text.prefix(60))\" cannot be a name here", hint: "no spaces and none of = & ; , ? # %")
                )
            }
            return .success(bytes)
        }
    }

    private static var separators: [UInt8] { Array("=&;,?#%\"".utf8) }
}
