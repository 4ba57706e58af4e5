/// One line of a listener's route table.
package struct RouteConfig: Sendable {
    /// Optional; labels logs. Unique in its listener.
    package var name: String?
    package var match: RouteMatch
    package var action: RouteAction
    /// From the end of the request to the end of the response, retries included; later is 504. Nil is none. Default: 15s.
    package var timeout: Duration?
    /// `timeout` is written, and not the default.
    package var hasOwnTimeout: Bool
    /// As `stream_idle_timeout`, for this route; nil leaves the listener's. Zero is none.
    package var idleTimeout: Duration?
    package var rewrite: RewriteConfig?
    package var mirrors: [MirrorConfig]
    /// What a request of this route is recognised by, for clusters that balance by hash. Empty: nothing.
    package var hash: [HashPolicy]
    package var overrides: [FilterOverride]
    package var place: ConfigPlace

    package static let defaultTimeout = Duration.seconds(15)
}
