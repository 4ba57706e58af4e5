// MartletConfig owns what a mesh is: listeners, routes, clusters, chains, policies, and the reading and checking of the
// files that say so. It opens no socket, compiles no expression or policy and runs nothing.
// For a filter's own settings go to the filter; for what a configuration turns into go to MartletProxy.

/// Everything one proxy runs by, checked: names are unique and every reference leads somewhere.
package struct ProxyConfig: Sendable {
    /// Nil: no admin API.
    package var admin: AdminConfig?
    /// Worker threads, 1 to 1024. Nil: one a core.
    package var workers: Int?
    /// Where the proxy runs, for clusters with `zone_preference`. Nil: `MARTLET_ZONE` says.
    package var zone: String?
    /// One log or several. Empty: none.
    package var accessLogs: [AccessLogConfig]
    package var localReplies: [LocalReplyConfig]
    package var metrics: MetricsConfig
    package var drain: DrainConfig
    package var overload: OverloadConfig
    package var listeners: [ListenerConfig]
    package var clusters: [ClusterConfig]
    package var policies: [PolicyConfig]
    package var modules: [ModuleConfig]
    /// Nil: the file says all.
    package var controlPlane: ControlPlaneConfig?
    /// Nil: none.
    package var xdsFiles: XDSFilesConfig?
    /// The file's path as given; empty for a text that came from elsewhere.
    package var file: String
}
