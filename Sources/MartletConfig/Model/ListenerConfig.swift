/// A socket that accepts connections, with the chain its requests run through and the routes they may take.
package struct ListenerConfig: Sendable {
    /// Unique; labels metrics and logs.
    package var name: String
    /// Unique. Port 0 leaves the choice to the kernel.
    package var address: ConfigAddress
    /// Default: http.
    package var `protocol`: ListenerProtocol
    /// Nil: clear text.
    package var tls: ListenerTLSConfig?
    /// Nil: the peer is the client, and says nothing before its protocol begins.
    package var proxyProtocol: ProxyProtocolConfig?
    /// `protocol: tcp` and nothing else has one.
    package var tcp: TCPConfig?
    /// `protocol: http`: where connections go that are neither HTTP nor TLS. Nil: they are refused as bad requests.
    package var other: OtherProtocolConfig?
    package var limits: ListenerLimits
    /// The chain in order, `router` last. Empty for tcp, and so are the routes.
    package var filters: [FilterSection]
    /// The first that matches wins.
    package var routes: [RouteConfig]
    /// Nil: the proxy's own. Empty: none.
    package var accessLogs: [AccessLogConfig]?
    /// Nil: the proxy's own. The first that matches shapes a reply.
    package var localReplies: [LocalReplyConfig]?
    package var forwarding: ForwardingConfig
    /// Protocols a client may switch to, lower case. Default: websocket.
    package var upgrades: [String]
    /// Whether CONNECT is tunnelled; otherwise it is refused. Written as `upgrades: [connect]`. Default: false.
    package var allowsConnect: Bool
    package var path: PathPolicy
    package var place: ConfigPlace
}

/// What a listener's clients speak.
package enum ListenerProtocol: String, Sendable, CaseIterable {
    /// HTTP/1.1 and HTTP/2.
    case http
    /// Anything: bytes are passed on.
    case tcp
}

/// What is done to a request's path before anything looks at it. The safe answers are the default, because a filter that
/// guards `/admin` must not be passed by `/public/../admin`, `//admin` or `/%61dmin`.
package struct PathPolicy: Sendable {
    package enum EscapedSlashes: String, Sendable, CaseIterable {
        case keep
        /// 400.
        case reject
        /// `%2F` and `%5C` become `/` and are forwarded so.
        case unescape
    }

    /// Resolve `.` and `..` and decode what needs no escape (RFC 3986 section 6.2.2). Default: true.
    package var normalize = true
    /// Make one slash of several. Default: true.
    package var mergeSlashes = true
    /// What to do with `%2F` and `%5C`. Default: keep.
    package var escapedSlashes = EscapedSlashes.keep

    init(_ section: ConfigSection) {
        normalize = section.bool("normalize_path", default: normalize)
        mergeSlashes = section.bool("merge_slashes", default: mergeSlashes)
        escapedSlashes = section.choice("escaped_slashes", default: escapedSlashes)
    }
}
