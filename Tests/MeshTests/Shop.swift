import Foundation
import MartletTesting

/// Three proxies with a listener and a client each, under a control plane that outlives its processes.
final class Shop {
    let controls: [ControlProcess]
    let ports: [UInt16]
    let proxies: [ManagedProxy]
    let loads: [SteadyLoad]
    private let upstream: ScriptedUpstream

    static let ids = ["a", "b", "c"]
    /// One request in twenty errs; the others say which version it was.
    static let failing = """
        policies:
          - name: team
            on_error: skip
            inline: |
              local seen = 0
              function on_request(h)
                seen = seen + 1
                if seen % 20 == 0 then error("no team") end
                h:headers():add("x-team", "new")
              end

        """
    static let sound = """
        policies:
          - name: team
            inline: |
              function on_response(h) h:headers():add("x-team", "new") end

        """

    /// The first of its processes.
    var control: ControlProcess { controls[0] }

    /// - Parameters:
    ///   - store: of the control plane.
    ///   - processes: of it; proxies are spread over them, and go to the next when theirs is gone.
    init(store: String = "{ path: store.db }", processes: Int = 1) throws {
        controls = try (0..<processes).map { _ in
            try ControlProcess(
                xds: "127.0.0.1:\(TCPListener.freePort())", address: "127.0.0.1:\(TCPListener.freePort())", store: store
            ).start()
        }
        let control = controls[0]
        let addresses = controls.map(\.xds)
        upstream = try ScriptedUpstream.saying("ok")
        ports = try Self.ids.map { _ in try TCPListener.freePort() }
        proxies = try Self.ids.enumerated().map { index, id in
            let own = index % addresses.count
            let turn = (addresses[own...] + addresses[..<own]).map { "\"\($0)\"" }.joined(separator: ", ")
            return try ManagedProxy(
                """
                control_plane: { cluster: mesh, node: { id: \(id) } }
                clusters: [{ name: mesh, protocol: http2, endpoints: [\(turn)] }]
                """)
        }
        var text = """
            clusters: [{ name: api, endpoints: ["127.0.0.1:\(upstream.port)"] }]
            policies: [{ name: team, inline: 'function on_response(h) h:headers():add("x-team", "old") end' }]
            listeners:

            """
        for (id, port) in zip(Self.ids, ports) {
            text +=
                "  - { name: public-\(id), proxies: { ids: [\(id)] }, address: 127.0.0.1:\(port), filters: [{ lua: { policy: team } }, router], routes: [{ match: {}, cluster: api }] }\n"
        }
        try control.write("shop.yaml", text)
        let applied = try control.martlet("apply", "-f", "shop.yaml")
        guard applied.code == 0 else { throw TestProxy.NotReady(description: applied.output) }
        let settled = try control.martlet("status", "--wait", "60")
        guard settled.code == 0 else { throw TestProxy.NotReady(description: settled.output) }
        loads = ports.map { SteadyLoad(port: $0) }
    }

    func team(_ port: UInt16) throws -> String {
        let answer = try Tool.run("curl", ["-si", "--noproxy", "*", "http://127.0.0.1:\(port)/"]).output
        return answer.components(separatedBy: "\r\n").first { $0.hasPrefix("x-team: ") }.map { String($0.dropFirst(8)) }
            ?? ""
    }

    func state() throws -> String { try control.ask("GET", "/v1/namespaces/default/rollout")["state"] }

    /// How many requests failed.
    func stop() -> Int { loads.map { $0.stop() }.reduce(0, +) }
}
