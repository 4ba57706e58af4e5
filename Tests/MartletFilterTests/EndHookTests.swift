import MartletConfig
import MartletCore
import MartletHTTP
import Testing

@testable import MartletFilter

/// Counts what it is told of; sends the request to another route if it is to.
private final class Witness: Filter {
    let hooks: Hooks = [.requestHead, .end]
    var target: String?
    private(set) var heads = 0
    private(set) var ends = 0

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        heads += 1
        guard let target else { return .next }
        exchange.request.setTarget(target.utf8Span.span)
        exchange.clearRouteCache()
        return .next
    }

    func onEnd(_ exchange: Exchange) { ends += 1 }
}

private final class Nowhere: ExchangeHost {
    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {}
    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {}
    func trailersPassed(_ direction: Direction, of exchange: Exchange) {}
    func flowOpened(_ direction: Direction, of exchange: Exchange) {}
    func replyStarted(of exchange: Exchange) {}
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) {}
    var services: any WorkerServices { fatalError("no filter of these tests asks for any") }
}

@Suite("End hooks")
struct EndHookTests {
    private let host = Nowhere()
    private let client = Downstream(
        directRemoteIP: "10.0.0.1", directRemotePort: 1, localAddress: "", listener: "l", scheme: .http,
        connectionID: 1)

    /// Filters at places 0 to 2, all of them on at `/on` and off at `/off`.
    private func routes() throws -> RouteIndex {
        let diagnostics = ConfigDiagnostics()
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters: [router]
                routes: [{ match: { path: { exact: /on } }, cluster: c }, { match: { path: { exact: /off } }, cluster: c }]
            clusters: [{ name: c, endpoints: ["127.0.0.1:1"] }]
            """
        let config = try #require(
            ProxyConfig.parse(text: text, file: "t.yaml", filters: ["router"], diagnostics: diagnostics),
            "\(diagnostics.errors)")
        return try #require(
            RouteIndex.build(
                config.listeners[0], clusterIndex: { _ in 0 },
                overrides: [[:], [0: .disabled, 1: .disabled, 2: .disabled]], diagnostics: diagnostics),
            "\(diagnostics.errors)")
    }

    private func run(_ exchange: Exchange, _ chain: Chain, _ target: String) {
        exchange.open(chain: chain, downstream: client, at: .now())
        exchange.request.setMethod("GET".utf8Span.span)
        exchange.request.setTarget(target.utf8Span.span)
        exchange.requestFlow.headReceived(exchange, ended: true)
        exchange.finish()
        exchange.recycle()
    }

    @Test("A filter that has run hears of the end, though the request was given a route that has it off")
    func routeChanged() throws {
        let filters = [Witness(), Witness(), Witness()]
        filters[1].target = "/off"
        let chain = Chain(filters: filters, routes: try routes())
        let exchange = Exchange()
        exchange.attach(host)
        defer { exchange.detach() }
        run(exchange, chain, "/on")
        #expect(filters.map(\.heads) == [1, 1, 0])
        #expect(filters.map(\.ends) == [1, 1, 0])
        // Nothing of that is left for the next exchange.
        run(exchange, chain, "/off")
        #expect(filters.map(\.ends) == [1, 1, 0])
        filters[1].target = "/on"
        run(exchange, chain, "/on")
        #expect(filters.map(\.heads) == [2, 2, 1])
        #expect(filters.map(\.ends) == [2, 2, 1])
    }
}
