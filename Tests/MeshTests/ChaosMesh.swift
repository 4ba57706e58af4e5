import Foundation
import MartletTesting

/// Changes that are made one after another while processes of the control plane are killed, and what becomes of them.
///
/// A change writes two documents at once, and both have its number: a policy that stamps responses, and a cluster whose port
/// it is.
final class ChaosMesh {
    let upstream: ScriptedUpstream
    let proxies: [ManagedProxy]
    let ports: [UInt16]
    private let servers: [ControlProcess]
    private(set) var acknowledged: [Int: Int] = [:]

    /// - Parameter servers: those that run now.
    init(_ servers: [ControlProcess]) throws {
        self.servers = servers
        upstream = try ScriptedUpstream.saying("ok")
        ports = try (0..<3).map { _ in try TCPListener.freePort() }
        let addresses = servers.map { "\"\($0.xds)\"" }.joined(separator: ", ")
        let listeners = ports.enumerated().map { number, port in
            """
              - name: public-\(number)
                proxies: { ids: [edge-\(number)] }
                address: 127.0.0.1:\(port)
                filters: [{ lua: { policy: stamp } }, router]
                routes: [{ match: {}, cluster: api }]
            """
        }
        let text = """
            \(Self.change(0))
              - { name: api, endpoints: ["127.0.0.1:\(upstream.port)"] }
            listeners:
            \(listeners.joined(separator: "\n"))
            """
        let first = try servers[0].ask(
            "POST", "/v1/namespaces/default/apply", body: try ControlProcess.apply(text, message: "change 0"))
        guard let revision = Int(first["revision"]) else { throw TestProxy.NotReady(description: "\(first)") }
        acknowledged[0] = revision
        proxies = try (0..<ports.count).map { number in
            try ManagedProxy(
                """
                control_plane: { cluster: mesh, node: { id: edge-\(number) } }
                clusters: [{ name: mesh, protocol: http2, endpoints: [\(addresses)] }]
                """)
        }
    }

    private static func change(_ number: Int) -> String {
        """
        policies: [{ name: stamp, inline: "function on_response(h) h:headers():replace('x-change', '\(number)') end" }]
        clusters:
          - { name: side, endpoints: ["127.0.0.1:\(10_000 + number)"] }
        """
    }

    /// - Returns: whether it is known to have been made.
    func apply(_ number: Int, at server: ControlProcess) throws -> Bool {
        let answer = try server.ask(
            "POST", "/v1/namespaces/default/apply",
            body: try ControlProcess.apply(Self.change(number), message: "change \(number)"))
        guard answer.status == 200, let revision = Int(answer["revision"]) else { return false }
        acknowledged[number] = revision
        return true
    }

    /// Waits longer than one of a proxy's pauses is.
    private func comes(_ condition: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<4 { if try eventually(condition) { return true } }
        return false
    }

    /// Every proxy is with one of the servers, and has this change in force: it says so itself, and stamps it.
    func converges(on number: Int) throws -> Bool {
        let revision = acknowledged[number].map(String.init) ?? ""
        let isTold = try comes {
            var states: [String: String] = [:]
            for server in servers {
                let answer = try server.ask("GET", "/v1/proxies")
                let count = Int(answer["proxies"].split(separator: " ").first ?? "") ?? 0
                for index in 0..<count {
                    let place = "proxies.\(index)."
                    let state = ["state", "acknowledged_revision", "applied_revision"].map { answer[place + $0] }
                    states[answer[place + "id"]] = state.joined(separator: " ")
                }
            }
            return states.count == proxies.count && states.values.allSatisfy { $0 == "synced \(revision) \(revision)" }
        }
        let isSeen = try comes {
            try ports.allSatisfy { port in
                try Tool.run("curl", ["-si", "http://127.0.0.1:\(port)/"]).output.contains("x-change: \(number)\r\n")
            }
        }
        return isTold && isSeen
    }

    /// What is missing, or half there.
    func losses(_ server: ControlProcess) throws -> [String] {
        var found: [String] = []
        let path = "/v1/namespaces/default"
        for (number, revision) in acknowledged.sorted(by: { $0.key < $1.key }) {
            let policy = try server.ask("GET", path + "/policies/stamp?revision=\(revision)")
            let cluster = try server.ask("GET", path + "/clusters/side?revision=\(revision)")
            if policy["revision"] != "\(revision)" || !policy["text"].contains("'\(number)'")
                || cluster["revision"] != "\(revision)" || !cluster["text"].contains(":\(10_000 + number)")
            {
                found.append(
                    "change \(number), acknowledged as revision \(revision), is not there: \(policy) \(cluster)")
            }
        }
        let log = try server.ask("GET", path + "/log?limit=1000")
        let count = Int(log["transactions"].split(separator: " ").first ?? "") ?? 0
        var made: Set<String> = []
        for index in 0..<count {
            let place = "transactions.\(index)."
            let message = log[place + "message"]
            if !made.insert(message).inserted { found.append("\(message) was made twice") }
            let documents = log[place + "changes"]
            if message != "change 0", documents != "2 items" { found.append("\(message) is half there: \(documents)") }
        }
        let missing = acknowledged.keys.filter { !made.contains("change \($0)") }
        if !missing.isEmpty { found.append("not in the log: \(missing.sorted())") }
        return found
    }
}
