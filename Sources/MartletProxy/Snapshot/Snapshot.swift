package import MartletConfig
package import MartletCore
internal import MartletFilter

/// One checked configuration, compiled: immutable and shared by all workers. Replaced whole, never edited.
package final class Snapshot: Sendable {
    /// Counts up from 1 with every configuration that was put in force.
    package let version: Int
    package let loadedAt: WallClock
    package let config: ProxyConfig
    let listeners: [CompiledListener]
    let addresses: ListenerAddresses
    /// Numbered as routes refer to them.
    let clusters: [ClusterRuntime]

    init(
        version: Int, loadedAt: WallClock, config: ProxyConfig, listeners: [CompiledListener],
        addresses: ListenerAddresses, clusters: [ClusterRuntime]
    ) {
        self.version = version
        self.loadedAt = loadedAt
        self.config = config
        self.listeners = listeners
        self.addresses = addresses
        self.clusters = clusters
    }
}

/// A listener with its chain decoded and its routes compiled.
struct CompiledListener: Sendable {
    let config: ListenerConfig
    let filters: [CompiledFilter]
    let routes: RouteIndex
    let forwarding: Forwarding
    let accessLogs: [CompiledAccessLog]
    let localReplies: LocalReplies
    let hasExemplars: Bool
    /// For connections that carry no requests; nil where there may be none.
    let tcp: TCPRoutes?
    /// Nil: clear text.
    let tls: ListenerTLS?
}
