public import MartletConfig

/// A kind of filter: its name in the configuration, how its section is decoded, and how one is made for a worker.
public protocol FilterKind: Sendable {
    associatedtype Config: Sendable
    /// What a route's `filters:` may say for this filter; leave it out when that is nothing but `off`.
    associatedtype RouteConfig: Sendable = NoRouteConfig

    /// The word in `filters:`.
    var name: String { get }

    /// The identities its filters may prove (`Exchange.proved`): filters behind them in a chain may ask for these. By default
    /// the one that is called as the filter is.
    var proofs: Set<Identity.Proof> { get }

    /// Decodes the filter's own section, reporting every mistake to it. Runs off the workers, at load. Nil only after an
    /// error was reported.
    func decode(_ section: ConfigSection, _ load: LoadContext) -> Config?

    /// Decodes what a route says for this filter. Nil only after an error was reported.
    func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig?

    /// What `off` for a route means when it cannot mean that the filter does not run: one that removes what clients must not
    /// send still has to. Nil, the default: it does not run.
    func routeOff(_ config: Config) -> RouteConfig?

    /// Makes one filter. Runs on the worker that will use it.
    func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter
}

/// For filters without settings per route.
public struct NoRouteConfig: Sendable {}

extension FilterKind {
    public var proofs: Set<Identity.Proof> { Identity.Proof(rawValue: name).map { [$0] } ?? [] }

    public func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        section.error("filter `\(name)` takes no settings per route", hint: "write `\(name): off` to disable it")
        return nil
    }

    public func routeOff(_ config: Config) -> RouteConfig? { nil }
}

/// What a filter may look at while its configuration is decoded.
public final class LoadContext {
    package let config: ProxyConfig
    /// How many workers will make the filter.
    public let workers: Int
    /// What filters in front of the one that is being decoded may have proved of a request.
    public package(set) var proofs: Set<Identity.Proof> = []
    /// Whose chain is being decoded.
    var listener: ListenerConfig?
    private let pathProblem: (PathMatch?, ListenerConfig) -> (message: String, hint: String)?

    /// - Parameter pathProblem: why no request of that listener has this path when filters see it.
    package init(
        config: ProxyConfig, workers: Int,
        pathProblem: @escaping (PathMatch?, ListenerConfig) -> (message: String, hint: String)? = { _, _ in nil }
    ) {
        self.config = config
        self.workers = workers
        self.pathProblem = pathProblem
    }

    /// Reports a condition that guards nothing, because no request has such a path when filters see it. `section` is the one
    /// that `match` was read from.
    package func check(_ match: RouteMatch, _ section: ConfigSection) {
        guard let listener, let problem = pathProblem(match.path, listener) else { return }
        section.error(at: "path", problem.message, hint: problem.hint)
    }

    /// Whether clients of the listener can prove who they are with a certificate.
    package var asksForCertificates: Bool {
        guard let listener else { return true }
        return listener.tls?.clientCA != nil
    }

    /// Whose settings are being decoded: the listener, which of the filters of this name in its chain, and for a route's
    /// settings the route. What is to survive a reload can be kept under it: it does not change when others come or go.
    public internal(set) var place = ""

    /// Whether the configuration has this cluster, for filters that call one.
    public func hasCluster(_ name: String) -> Bool { config.clusters.contains { $0.name == name } }
    /// Whether its endpoints are asked by HTTP/2, or may be: what gRPC takes.
    package func speaksHTTP2(_ name: String) -> Bool {
        config.clusters.contains { $0.name == name && $0.protocol != .http1 }
    }
    public var clusterNames: [String] { config.clusters.map(\.name) }

    /// Files that filters have asked the path of: a change to one of them is a change of the configuration.
    package private(set) var files: [String] = []

    /// The path of a file that the filter reads: relative ones are relative to the configuration file. The file is
    /// watched from now on.
    public func path(_ relative: String) -> String {
        let path = absolute(relative)
        files.append(path)
        return path
    }

    /// For a file that a filter has read by itself.
    package func watch(_ path: String) { files.append(path) }

    private func absolute(_ relative: String) -> String {
        guard !relative.hasPrefix("/") else { return relative }
        let directory = config.file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return directory.isEmpty ? relative : directory.joined(separator: "/") + "/" + relative
    }
}

/// A filter of a chain after its configuration was decoded: shared by all workers, each of which makes its own.
package struct CompiledFilter: Sendable {
    package let name: String
    private let makeBody: @Sendable (FilterContext) -> any Filter

    package init<Kind: FilterKind>(_ kind: Kind, _ config: Kind.Config) {
        name = kind.name
        makeBody = { kind.makeFilter(config, $0) }
    }

    package func make(_ context: FilterContext) -> any Filter { makeBody(context) }
}

/// The filter kinds this process knows, by name.
package struct FilterRegistry: Sendable {
    private(set) var kinds: [String: any FilterKind]
    /// Where the filters of native modules come from; nil: there can be none.
    package let modules: (any ModuleSource)?

    package init(_ kinds: [any FilterKind], modules: (any ModuleSource)? = nil) {
        self.kinds = Dictionary(kinds.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.modules = modules
    }

    mutating func add(_ kind: any FilterKind) { kinds[kind.name] = kind }

    package var names: [String] { kinds.keys.sorted() }

    func proofs(of name: String) -> Set<Identity.Proof> { kinds[name]?.proofs ?? [] }

    /// Decodes one filter of a chain, and what each route says about it. `overrides` are the sections of the routes that
    /// name this filter; those in `off` turn it off. Nil after errors were reported.
    package func compile(
        _ section: FilterSection, overrides: [(route: Int, name: String, section: ConfigSection)], off: [Int],
        load: LoadContext,
        diagnostics: ConfigDiagnostics
    ) -> (filter: CompiledFilter, routes: [Int: any Sendable])? {
        guard let kind = kinds[section.name] else { return nil }
        return compile(kind, section.section(diagnostics: diagnostics), overrides, off, load)
    }

    private func compile<Kind: FilterKind>(
        _ kind: Kind, _ section: ConfigSection, _ overrides: [(route: Int, name: String, section: ConfigSection)],
        _ off: [Int],
        _ load: LoadContext
    ) -> (filter: CompiledFilter, routes: [Int: any Sendable])? {
        let config = kind.decode(section, load)
        section.finish()
        guard let config else { return nil }
        var routes: [Int: any Sendable] = [:]
        let place = load.place
        defer { load.place = place }
        for override in overrides {
            load.place = "\(place)/\(override.name)"
            routes[override.route] = kind.decodeRoute(override.section, config, load)
            override.section.finish()
        }
        for route in off { routes[route] = kind.routeOff(config) }
        return (CompiledFilter(kind, config), routes)
    }
}
