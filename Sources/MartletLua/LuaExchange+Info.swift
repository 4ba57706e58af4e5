internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a script may know of an exchange besides its messages, and what it may ask of the proxy.
extension LuaExchange {
    func text(_ what: Int32) -> mrt_bytes_borrowed? {
        guard let exchange, let client = exchange.downstream else { return nil }
        let text: String
        switch Int(what) {
        case MRT_TEXT_PROTOCOL:
            text = "\(exchange.request.version.text)"
        case MRT_TEXT_ROUTE_NAME: text = exchange.route?.name ?? ""
        case MRT_TEXT_LOCAL_ADDRESS, MRT_TEXT_DIRECT_LOCAL_ADDRESS:
            text = client.localAddress
        case MRT_TEXT_REMOTE_ADDRESS:
            let ip = exchange.clientIP
            text = ip.utf8.contains(0x3A) ? "[\(ip)]:\(client.directRemotePort)" : "\(ip):\(client.directRemotePort)"
        case MRT_TEXT_DIRECT_REMOTE_ADDRESS: text = client.directRemoteAddress
        case MRT_TEXT_SERVER_NAME: text = client.tls?.serverName ?? ""
        default: text = ""
        }
        scratch = Array(text.utf8)
        return unsafe lendScratch()
    }

    /// Until the next call that fills it.
    func lendScratch() -> mrt_bytes_borrowed {
        let text = scratch
        return unsafe Self.lend(text.span)
    }

    // MARK: Metadata

    /// Where Envoy's filter leaves a token's claims, and scripts look for them.
    private static let jwtAuthn = "envoy.filters.http.jwt_authn"

    func metadata(_ space: Int32, _ filter: Span<UInt8>) -> mrt_bytes_borrowed? {
        guard let exchange else { return nil }
        let name = filter.string()
        if space == Int32(MRT_SPACE_FILTER_STATE) {
            guard let value = shadow?.filterState[name] ?? exchange.filterState[name] else { return nil }
            scratch = EncodedValue.mapping([("", value)])
            return unsafe lendScratch()
        }
        var values = exchange.metadata
        if let own = shadow?.metadata { values.merge(own) { $0.merging($1) { $1 } } }
        // Encoded when a policy asks: most requests bring a token, and few policies look into it.
        if filter.isEmpty || name == Self.jwtAuthn, let claims = exchange.identity(.jwt)?.claims {
            values[Self.jwtAuthn, default: [:]]["jwt_payload"] = EncodedValue.json(claims)
        }
        if filter.isEmpty {
            scratch = EncodedValue.mapping(
                values.map { ($0.key, EncodedValue.mapping($0.value.map { ($0.key, $0.value) })) })
        } else {
            guard let values = values[name] else { return nil }
            scratch = EncodedValue.mapping(values.map { ($0.key, $0.value) })
        }
        return unsafe lendScratch()
    }

    /// Most bytes of one value; and values, and their bytes, that one policy leaves on an exchange in one go.
    private static let maxValue = 65_536
    private static let maxValues = 256
    private static let maxValueBytes = 1 << 20

    func setMetadata(_ space: Int32, _ filter: Span<UInt8>, _ key: Span<UInt8>, _ value: Span<UInt8>) -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        guard value.count <= Self.maxValue else { return Int32(MRT_CODE_TOO_LARGE) }
        guard valuesSet < Self.maxValues, valueBytesSet + value.count <= Self.maxValueBytes else {
            return Int32(MRT_CODE_TOO_MANY)
        }
        valuesSet += 1
        valueBytesSet += filter.count + key.count + value.count
        let (name, bytes) = (filter.string(), value.array())
        if space == Int32(MRT_SPACE_FILTER_STATE) {
            if let shadow { shadow.filterState[name] = bytes } else { exchange.filterState[name] = bytes }
        } else {
            let key = key.string()
            if let shadow {
                shadow.metadata[name, default: [:]][key] = bytes
            } else {
                exchange.metadata[name, default: [:]][key] = bytes
            }
        }
        return Int32(MRT_CODE_OK)
    }

    // MARK: Asking

    /// `ip` or `ip:port`; an IPv6 address with a port is in brackets.
    func overrideHost(_ host: Span<UInt8>, isStrict: Bool) -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        let text = host.string()
        guard Authority.isValid(host) || Authority.isValid("[\(text)]".utf8Span.span), Self.isIP(text) else {
            return Int32(MRT_CODE_BAD_ADDRESS)
        }
        if let shadow { shadow.note("upstream \(text)") } else { exchange.upstreamOverride = (text, isStrict) }
        return Int32(MRT_CODE_OK)
    }

    private static func isIP(_ text: String) -> Bool {
        if text.hasPrefix("[") || text.utf8.filter({ $0 == 0x3A }).count > 1 { return true }
        let host = text.prefix { $0 != ":" }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    func clearRoute() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if let shadow { shadow.note("route chosen anew") } else { exchange.clearRouteCache() }
        return Int32(MRT_CODE_OK)
    }

    func drainConnection() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if let shadow { shadow.note("connection closed") } else { exchange.drainsConnection = true }
        return Int32(MRT_CODE_OK)
    }
}
