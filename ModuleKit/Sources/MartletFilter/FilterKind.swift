internal import CMartletModule
public import MartletConfig
internal import MartletCore

/// A kind of filter: its name in the configuration, how its section is decoded, and how one is made for a worker.
public protocol FilterKind: Sendable {
    associatedtype Config: Sendable
    /// What a route's `filters:` may say for this filter; leave it out when that is nothing but `off`.
    associatedtype RouteConfig: Sendable = NoRouteConfig

    /// The word in `filters:`.
    var name: String { get }

    /// Decodes the filter's own section, reporting every mistake to it. Runs off the workers, at load. Nil only after an
    /// error was reported.
    func decode(_ section: ConfigSection, _ load: LoadContext) -> Config?

    /// Decodes what a route says for this filter. Nil only after an error was reported.
    func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig?

    /// The identities its filters may prove (`Exchange.proved`): filters behind them in a chain may ask for these. By default
    /// the one that is called as the filter is.
    var proofs: Set<Identity.Proof> { get }

    /// What `off` for a route means when it cannot mean that the filter does not run. Nil, the default: it does not run.
    func routeOff(_ config: Config) -> RouteConfig?

    /// Makes one filter. Runs on the worker that will use it.
    func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter
}

/// For filters without settings per route.
public struct NoRouteConfig: Sendable {}

extension FilterKind {
    public var proofs: Set<Identity.Proof> { Identity.Proof(rawValue: name).map { [$0] } ?? [] }

    public func routeOff(_ config: Config) -> RouteConfig? { nil }

    public func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        section.error("filter `\(name)` takes no settings per route", hint: "write `\(name): off` to disable it")
        return nil
    }
}

/// What a filter may look at while its configuration is decoded. Good until that is over.
@safe
public final class LoadContext {
    private let handle: OpaquePointer
    /// How many workers will make the filter.
    public let workers: Int

    package init(lent handle: OpaquePointer) {
        unsafe self.handle = unsafe handle
        workers = unsafe martlet_of_host().pointee.load_workers(handle)
    }

    /// Whether the configuration has this cluster, for filters that call one.
    public func hasCluster(_ name: String) -> Bool { clusterNames.contains(name) }

    public var clusterNames: [String] {
        (0..<(unsafe martlet_of_host().pointee.load_cluster_count(handle))).compactMap { index in
            Border.text { unsafe martlet_of_host().pointee.load_cluster(handle, index, $0) }
        }
    }

    /// The path of a file that the filter reads: relative ones are relative to the configuration file. The file is
    /// watched from now on.
    public func path(_ relative: String) -> String {
        Border.lend(relative) { relative in
            Border.text { unsafe martlet_of_host().pointee.load_path(handle, relative, $0) }
        } ?? relative
    }
}

/// What a filter's section or a route's was decoded to, as the host keeps it.
@safe
package final class DecodedConfig: Sendable {
    package let value: any Sendable
    package init(_ value: any Sendable) { self.value = value }

    package func handedOver() -> OpaquePointer { unsafe OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    package static func lent(_ handle: OpaquePointer) -> DecodedConfig {
        unsafe Unmanaged<DecodedConfig>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}
