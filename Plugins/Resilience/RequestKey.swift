internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a limit tells requests apart by: `client_ip`, `header:x-team`, `[route, jwt:sub]`.
struct RequestKey: Sendable {
    enum Part: Sendable, Hashable {
        /// The address that trusted proxies vouch for, or the peer's.
        case clientIP
        case header(HeaderName)
        /// A claim of the token that the `jwt` filter has verified.
        case jwt(ClaimPath)
        case apiKey, basicAuth
        /// Who the client's certificate is about, if it is validated: a URI, a DNS name or the subject.
        case clientCertificate
        case route
        /// The route's; a split is one.
        case cluster
        case query(String)
    }

    /// Empty: all requests are alike.
    private let parts: [Part]
    /// Bits of an IPv6 address that count.
    private let ipv6Prefix: Int
    private let ipv6Mask: UInt128

    private static let maxParts = 8

    init(parts: [Part], ipv6Prefix: Int = 64) {
        self.parts = parts
        self.ipv6Prefix = ipv6Prefix
        ipv6Mask = ipv6Prefix >= 128 ? .max : ~(UInt128.max >> UInt128(max(ipv6Prefix, 0)))
    }

    /// One for all.
    var isShared: Bool { parts.isEmpty }

    /// In the words of the configuration, for what is kept under it over a reload.
    var description: String { "\(parts) \(ipv6Prefix)" }

    /// Equal for equal keys and hardly ever for others. Nil when the request lacks a part.
    func hash(of exchange: Exchange) -> UInt64? {
        var hasher = KeyHasher()
        for part in parts {
            guard add(part, of: exchange, to: &hasher) else { return nil }
            hasher.endPart()
        }
        return hasher.finish()
    }

    private func add(_ part: Part, of exchange: Exchange, to hasher: inout KeyHasher) -> Bool {
        switch part {
        case .clientIP:
            guard let address = IPAddress(exchange.clientIP) else { return false }
            // Who has an IPv6 address has a whole network of them.
            let bits = address.isIPv4 ? address.bits : address.bits & ipv6Mask
            hasher.combine(UInt64(truncatingIfNeeded: bits >> 64))
            hasher.combine(UInt64(truncatingIfNeeded: bits))
            return true
        case .header(let name): return add(header: name, of: exchange.request.headers, to: &hasher)
        case .jwt(let claim):
            guard let claims = exchange.identity(.jwt)?.claims, let value = claim.value(in: claims) else {
                return false
            }
            return Self.add(value, to: &hasher)
        case .apiKey: return Self.add(exchange.identity(.apiKey), to: &hasher)
        case .basicAuth: return Self.add(exchange.identity(.basicAuth), to: &hasher)
        case .clientCertificate:
            guard let name = exchange.downstream?.tls?.validatedPeer?.principals.first else { return false }
            hasher.append(name.utf8Span.span)
            return true
        case .route:
            guard let route = exchange.route else { return false }
            hasher.append(route.name.utf8Span.span)
            return true
        case .cluster:
            guard let cluster = exchange.route?.cluster else { return false }
            hasher.append(cluster.utf8Span.span)
            return true
        case .query(let name):
            let request = exchange.request
            guard let query = request.query() else { return false }
            return Self.add(parameter: name.utf8Span.span, of: query, to: &hasher)
        }
    }

    private func add(header name: HeaderName, of table: HeaderTable, to hasher: inout KeyHasher) -> Bool {
        guard var index = table.firstIndex(of: name) else { return false }
        hasher.append(table.value(at: index))
        // Several fields of one name are one list (RFC 9110 section 5.3).
        while let next = table.firstIndex(of: name, from: index + 1) {
            hasher.append(0x2C)
            hasher.append(table.value(at: next))
            index = next
        }
        return true
    }

    private static func add(_ identity: Identity?, to hasher: inout KeyHasher) -> Bool {
        guard let identity, !identity.name.isEmpty else { return false }
        hasher.append(identity.name.utf8Span.span)
        return true
    }

    /// False for what is no single value.
    private static func add(_ value: JSONValue, to hasher: inout KeyHasher) -> Bool {
        switch value {
        case .string(let text):
            guard !text.isEmpty else { return false }
            hasher.append(text.utf8Span.span)
        // Each with a word that says what it is, since they share their bits.
        case .integer(let number):
            hasher.combine(1)
            hasher.combine(UInt64(bitPattern: number))
        case .number(let number):
            hasher.combine(2)
            hasher.combine(number.bitPattern)
        case .bool(let truth):
            hasher.combine(3)
            hasher.combine(truth ? 1 : 0)
        case .null, .array, .object: return false
        }
        return true
    }

    /// The first parameter of that name, as a form has it: `%41` and `A` are one key, and one name. Spelt otherwise it would be
    /// missing here and there for upstream.
    private static func add(parameter name: Span<UInt8>, of query: Span<UInt8>, to hasher: inout KeyHasher) -> Bool {
        var pairs = NamedPairs(.query)
        while let pair = pairs.next(in: query) {
            guard query.extracting(pair.name).isFormOf(name) else { continue }
            if let value = pair.value { query.extracting(value).forEachFormByte { hasher.append($0) } }
            return true
        }
        return false
    }
}

/// What happens to a request that lacks a part of the key.
enum MissingKey: String, Sendable, CaseIterable {
    /// It shares one limit with all others that do.
    case limit
    /// It passes.
    case skip
}

extension RequestKey {
    /// Reads `key` and `ipv6_prefix`; what is not written is as in `standard`.
    init(_ section: ConfigSection, default standard: RequestKey) {
        let prefix = section.int("ipv6_prefix", default: standard.ipv6Prefix, in: 1...128)
        let read = section.oneOrMore("key", .keyPart)
        guard section.has("key") else {
            self.init(parts: standard.parts, ipv6Prefix: prefix)
            return
        }
        let parts = read.compactMap { $0 }
        if parts.count != read.count, read.count > 1 {
            section.error(at: "key", "\"none\" stands alone", hint: "remove it, or the others")
        } else if section.node["key"]?.items?.isEmpty == true {
            section.error(at: "key", "an empty list tells no requests apart", hint: "write: none")
        } else if Set(parts).count != parts.count {
            section.error(at: "key", "names a part twice", hint: "remove one")
        } else if parts.count > Self.maxParts {
            section.error(at: "key", "has \(parts.count) parts", hint: "at most \(Self.maxParts)")
        }
        self.init(parts: parts, ipv6Prefix: prefix)
    }
}

extension ConfigScalar where Value == RequestKey.Part? {
    /// Nil is `none`.
    static var keyPart: ConfigScalar {
        let expected =
            "client_ip, header:NAME, jwt:CLAIM, api_key, basic_auth, client_cert, route, cluster, query:NAME or none"
        return ConfigScalar(expected: expected) { text in
            let colon = text.firstIndex(of: ":")
            let kind = String(text[..<(colon ?? text.endIndex)])
            let name = colon.map { String(text[text.index(after: $0)...]) }
            func plain(_ part: RequestKey.Part?) -> Result<RequestKey.Part?, Problem> {
                name == nil ? .success(part) : .failure(Problem("\"\(kind)\" takes no name", hint: "write: \(kind)"))
            }
            func named(_ make: (String) -> RequestKey.Part?) -> Result<RequestKey.Part?, Problem> {
                guard let name, !name.isEmpty else {
                    return .failure(Problem("\"\(kind)\" needs a name", hint: "write: \(kind):NAME"))
                }
                guard let part = make(name) else {
                    return .failure(Problem("\"\(name.prefix(60))\" is not a header's name"))
                }
                return .success(part)
            }
            switch kind {
            case "client_ip": return plain(.clientIP)
            case "api_key": return plain(.apiKey)
            case "basic_auth": return plain(.basicAuth)
            case "client_cert": return plain(.clientCertificate)
            case "route": return plain(.route)
            case "cluster": return plain(.cluster)
            case "none": return plain(nil)
            case "header": return named { HeaderName($0).map { .header($0) } }
            case "jwt":
                guard let name, !name.isEmpty else { return named { _ in nil } }
                return ConfigScalar<ClaimPath>.claimPath.parse(name).map { .jwt($0) }
                    .mapError { Problem($0.message, hint: $0.hint) }
            case "query": return named { .query($0) }
            default:
                let known = [
                    "client_ip", "api_key", "basic_auth", "client_cert", "route", "cluster", "none", "header", "jwt",
                    "query",
                ]
                let near = NearestName.of(kind, in: known).map { "did you mean \"\($0)\"? " } ?? ""
                return .failure(Problem("\"\(text.prefix(60))\" is no key", hint: "\(near)valid: \(expected)"))
            }
        }
    }
}
