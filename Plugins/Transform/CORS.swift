public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// `cors`: which pages of other origins may read what the upstreams answer (Fetch standard, section 3.2).
public struct CORSKind: FilterKind {
    public let name = "cors"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> CORSConfig? { CORSConfig(section) }

    /// A route's settings take the place of the listener's.
    public func decodeRoute(_ section: ConfigSection, _ config: CORSConfig, _ load: LoadContext) -> CORSConfig? {
        CORSConfig(section)
    }

    public func makeFilter(_ config: CORSConfig, _ context: FilterContext) -> any Filter { CORS(config, context) }
}

final class CORS: Filter {
    private let config: CORSConfig
    private let context: FilterContext
    private let slot: Slot<CORSGrant>
    private let valid: Counter
    private let invalid: Counter
    private let preflights: Counter

    let hooks: Hooks = [.requestHead, .responseHead]

    init(_ config: CORSConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(CORSGrant.self)
        valid = context.counter("cors_origin_valid_total")
        invalid = context.counter("cors_origin_invalid_total")
        preflights = context.counter("cors_preflight_total")
    }

    private func config(of exchange: Exchange) -> CORSConfig {
        context.routeConfig(of: exchange, as: CORSConfig.self) ?? config
    }

    // MARK: Request

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.request.headers
        guard let index = headers.firstIndex(of: .origin) else { return .next }
        let config = config(of: exchange)
        let isPreflight = Self.isPreflight(exchange.request)
        // Two origins are none.
        let isAlone = headers.firstIndex(of: .origin, from: index + 1) == nil
        guard isAlone, let grant = config.origins.grant(headers.value(at: index)) else {
            invalid.add()
            guard isPreflight && !config.forwardsNotMatchingPreflights else { return .next }
            return .reply(.refusal(403, "cors-origin-not-allowed"))
        }
        valid.add()
        exchange[slot] = grant
        guard isPreflight else { return .next }
        preflights.add()
        return .reply(preflight(config, headers))
    }

    private static func isPreflight(_ request: RequestHead) -> Bool {
        request.method == .options && request.headers.contains(CORSField.requestMethod)
    }

    /// What is the same for other answers, `onResponseHead` adds to this one as well.
    private func preflight(_ config: CORSConfig, _ headers: HeaderTable) -> Reply {
        var fields = config.preflightFields
        if config.allowsPrivateNetwork, headers.first(CORSField.requestPrivateNetwork)?.equals("true") == true {
            fields.append((CORSField.allowPrivateNetwork, "true"))
        }
        return Reply(status: 200, headers: fields)
    }

    // MARK: Response

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        let config = config(of: exchange)
        let headers = exchange.response.headers
        if let always = config.origins.always {
            // The same for everybody, so that caches may share it.
            permit(always, config, headers, exchange)
            return .next
        }
        addVary(headers)
        if let grant = exchange[slot] {
            permit(grant, config, headers, exchange)
        } else if !config.forwardsNotMatchingPreflights {
            // Then nobody but this filter decides who may read.
            for name in CORSField.ofResponses { headers.remove(name) }
        }
        return .next
    }

    private func permit(_ grant: CORSGrant, _ config: CORSConfig, _ headers: HeaderTable, _ exchange: Exchange) {
        let origin = grant.origin
        headers.set(CORSField.allowOrigin, origin.span)
        if config.allowsCredentials {
            headers.set(CORSField.allowCredentials, "true")
        } else {
            headers.remove(CORSField.allowCredentials)
        }
        guard !Self.isPreflight(exchange.request) else { return }
        if GRPCContentType(in: headers) != nil,
            config.exposedHeaders != nil || !headers.contains(CORSField.exposeHeaders)
        {
            headers.set(CORSField.exposeHeaders, config.exposedGRPCHeaders)
        } else if let exposed = config.exposedHeaders {
            headers.set(CORSField.exposeHeaders, exposed)
        }
    }

    /// RFC 9111 section 4.1: a cache must not give one origin's answer to another, nor the answer to a request without one.
    private func addVary(_ headers: HeaderTable) {
        var index = headers.firstIndex(of: .vary)
        var last: Int?
        while let at = index {
            let value = headers.value(at: at)
            if Self.list(value, has: "origin") || Self.list(value, has: "*") { return }
            last = at
            index = headers.firstIndex(of: .vary, from: at + 1)
        }
        if let last {
            headers.extendValue(at: last, separator: ", ", Self.originName.span)
        } else {
            headers.append(.vary, Self.originName.span)
        }
    }

    private static let originName = Array("origin".utf8)

    private static func list(_ list: Span<UInt8>, has member: StaticString) -> Bool {
        var start = 0
        while start <= list.count {
            let end = list.firstIndex(of: 0x2C, from: start) ?? list.count
            if list.extracting(start..<end).trimmed().equalsIgnoringCase(member) { return true }
            start = end + 1
        }
        return false
    }
}
