public import MartletConfig
public import MartletCore

/// A kind of filter: its name in the configuration, how its section is decoded, and how one is made for a worker.
public protocol FilterKind: Sendable {
    associatedtype Config: Sendable
    /// What a route's `filters:` may say for this filter; `NoRouteConfig` when nothing but `off`.
    associatedtype RouteConfig: Sendable = NoRouteConfig

    /// The word in `filters:`.
    var name: String { get }

    /// Decodes the filter's own section, reporting every mistake to it. Runs off the workers, at load.
    func decode(_ section: inout ConfigSection, _ load: LoadContext) -> Config

    /// Decodes what a route says for this filter.
    func decodeRoute(_ section: inout ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig?

    /// Makes one filter. Runs on the worker that will use it.
    func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter
}

public struct NoRouteConfig: Sendable {}

extension FilterKind {
    public func decodeRoute(_ section: inout ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        section.reject("filter `\(name)` takes no settings per route; write `off` to disable it")
        return nil
    }
}
