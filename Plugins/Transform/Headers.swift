public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `headers`: sets, adds and removes header fields of requests and responses.
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

/// The edits of both directions. Fields are removed first, then set, then added.
public struct HeadersConfig: Sendable {
    struct Edits: Sendable {
        var remove: [HeaderName] = []
        var set: [(name: HeaderName, value: [UInt8])] = []
        var add: [(name: HeaderName, value: [UInt8])] = []
        var isEmpty: Bool { remove.isEmpty && set.isEmpty && add.isEmpty }

        init() {}

        init(_ section: ConfigSection) {
            set = section.headers("set").map { ($0.name, Array($0.value.utf8)) }
            add = section.headers("add").map { ($0.name, Array($0.value.utf8)) }
            remove = section.values("remove", .headerName)
            for (name, key) in set.map({ ($0.name, "set") }) + add.map({ ($0.name, "add") })
                + remove.map({ ($0, "remove") })
            {
                check(name, key, section)
            }
            checkHosts(section)
        }

        /// Framing belongs to the proxy: edited by hand it would cut messages at the wrong place.
        private func check(_ name: HeaderName, _ key: String, _ section: ConfigSection) {
            switch name {
            case .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer:
                section.error(at: key, "\(name) cannot be edited", hint: "the proxy frames messages itself")
            case .host where key != "set":
                section.error(at: key, "host can only be set", hint: "every request has exactly one")
            default: break
            }
        }

        /// What goes on as Host must be one, as it must when it comes in.
        private func checkHosts(_ section: ConfigSection) {
            for field in set where field.name == .host && !Authority.isValid(field.value.span) {
                section.error(
                    at: "set", "\"\(String(decoding: field.value.prefix(60), as: UTF8.self))\" is no host",
                    hint: "a name or an address, maybe with :port")
            }
        }

        func apply(to headers: HeaderTable) {
            for name in remove { headers.remove(name) }
            for field in set { headers.set(field.name, field.value.span) }
            for field in add { headers.append(field.name, field.value.span) }
        }
    }

    let request: Edits
    let response: Edits

    init(_ section: ConfigSection) {
        request = section.section("request").map { Edits($0) } ?? Edits()
        response = section.section("response").map { Edits($0) } ?? Edits()
        if request.isEmpty && response.isEmpty {
            section.error("edits nothing", hint: "write request: { set: { x-name: value } }, or response")
        }
    }
}

final class Headers: Filter {
    private let config: HeadersConfig
    private let context: FilterContext

    init(_ config: HeadersConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
    }

    var hooks: Hooks { [.requestHead, .responseHead] }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let route = context.routeConfig(of: exchange, as: HeadersConfig.self)
        let headers = exchange.request.headers
        config.request.apply(to: headers)
        route?.request.apply(to: headers)
        return .next
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.response.headers
        config.response.apply(to: headers)
        context.routeConfig(of: exchange, as: HeadersConfig.self)?.response.apply(to: headers)
        return .next
    }
}
