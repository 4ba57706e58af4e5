public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `headers`: edits the fields, cookies and query of requests and the fields and cookies of responses.
public struct HeadersKind: FilterKind {
    public let name = "headers"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> HeadersConfig? { HeadersConfig(section) }

    /// A route's edits come after the listener's.
    public func decodeRoute(
        _ section: ConfigSection, _ config: HeadersConfig, _ load: LoadContext
    ) -> HeadersConfig? { HeadersConfig(section) }

    public func makeFilter(_ config: HeadersConfig, _ context: FilterContext) -> any Filter {
        Headers(config, context)
    }
}

/// The edits of both directions: fields, then cookies, then the query.
public struct HeadersConfig: Sendable {
    struct Request: Sendable {
        var fields = FieldEdits()
        var cookies = CookieEdits()
        var query = QueryEdits()
        var isEmpty: Bool { fields.isEmpty && cookies.isEmpty && query.isEmpty }

        init() {}

        init(_ section: ConfigSection) {
            fields = FieldEdits(section)
            cookies = section.section("cookies").map { CookieEdits($0) } ?? CookieEdits()
            query = section.section("query").map { QueryEdits($0) } ?? QueryEdits()
        }
    }

    struct Response: Sendable {
        var fields = FieldEdits()
        var cookies = SetCookieEdits()
        var isEmpty: Bool { fields.isEmpty && cookies.isEmpty }

        init() {}

        init(_ section: ConfigSection) {
            fields = FieldEdits(section)
            cookies = section.section("cookies").map { SetCookieEdits($0) } ?? SetCookieEdits()
        }
    }

    let request: Request
    let response: Response
    /// The route is looked for again, by the request as it has become. Default: false.
    let clearsRouteCache: Bool

    init(_ section: ConfigSection) {
        request = section.section("request").map { Request($0) } ?? Request()
        response = section.section("response").map { Response($0) } ?? Response()
        clearsRouteCache = section.bool("clear_route_cache", default: false)
        if request.isEmpty && response.isEmpty && !section.diagnostics.hasErrors {
            section.error("edits nothing", hint: "write request: { set: { x-name: value } }, or response")
        }
    }
}

final class Headers: Filter {
    private let config: HeadersConfig
    private let context: FilterContext
    private let refused: Counter
    private let editsRequest: Bool
    private var writer = FormatWriter()

    var hooks: Hooks { [.requestHead, .responseHead] }

    init(_ config: HeadersConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        editsRequest = !config.request.isEmpty
        refused = context.counter("headers_refused_total")
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        // Found by the request as it came: what an edit makes of it must not depend on who asks first.
        if editsRequest { _ = exchange.route }
        let route = context.routeConfig(of: exchange, as: HeadersConfig.self)
        var run = EditRun(exchange)
        var refusal = apply(config.request, exchange, &run)
        if refusal == nil, let route { refusal = apply(route.request, exchange, &run) }
        if let refusal {
            refused.add()
            return .reply(.refusal(400, refusal))
        }
        if config.clearsRouteCache || route?.clearsRouteCache == true { exchange.clearRouteCache() }
        return .next
    }

    /// Why the request cannot go on with what the edits made of it; nil when it can.
    private func apply(_ edits: HeadersConfig.Request, _ exchange: Exchange, _ run: inout EditRun) -> String? {
        let headers = exchange.request.headers
        if !edits.fields.apply(to: headers, &run, &writer) { return "edited-host-invalid" }
        if !edits.cookies.isEmpty { edits.cookies.apply(to: headers, &run, &writer) }
        if !edits.query.isEmpty, !edits.query.apply(to: exchange.request, &run, &writer) {
            return "edited-target-invalid"
        }
        return nil
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        var run = EditRun(exchange)
        apply(config.response, exchange, &run)
        if let route = context.routeConfig(of: exchange, as: HeadersConfig.self) {
            apply(route.response, exchange, &run)
        }
        return .next
    }

    private func apply(_ edits: HeadersConfig.Response, _ exchange: Exchange, _ run: inout EditRun) {
        let headers = exchange.response.headers
        // A response has no host that could be invalid.
        _ = edits.fields.apply(to: headers, &run, &writer)
        if !edits.cookies.isEmpty { edits.cookies.apply(to: headers, &run, &writer) }
    }
}
