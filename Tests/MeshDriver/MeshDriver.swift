import Foundation
import GRPCNIOTransportHTTP2Posix
import MartletConfig
import MartletControl
import MartletControlCheck
import MartletControlServer
import MartletXDS

/// A control plane that does what lines of standard input say, each answered by one line of JSON.
///
///     MeshDriver STORE PORT
///     apply {"namespace": "default", "text": "...", "files": {}}
///     delete clusters/api clusters/web
///     rollback 3
///     proxies
///     report a
///     register {"service": "api", "id": "1", "address": "10.0.0.1:80", "weight": 1, "zone": "a", "health": "healthy", "ttl": 15}
///     renew api/1
///     health api/1 draining
///     deregister api/1
///     instances
@main
struct MeshDriver {
    struct Order: Decodable {
        var namespace: String?
        var text: String
        var files: [String: String]?
    }

    let control: MeshControl

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let port = Int(arguments[2]) else { return }
        let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
        let control = MeshControl(
            store: try SQLiteStore(path: arguments[1]), checker: ProxyCheck(),
            instances: LocalRegistry(file: try InstanceFile(path: arguments[1] + ".instances")),
            files: EndpointFiles(folder: arguments[1] + ".endpoints") {
                FileHandle.standardError.write(Data("\($0)\n".utf8))
            },
            now: now,
            log: { FileHandle.standardError.write(Data("\($0)\n".utf8)) })
        let server = DiscoveryServer(
            control: control, host: "127.0.0.1", port: port, security: .plaintext, identifier: "driver", now: now
        ) { _ in say("ready") }
        let following = Task { await control.run() }
        while await !control.isReady { await Task.yield() }
        let serving = Task { try await server.run() }
        let driver = MeshDriver(control: control)
        // Reading blocks, and so has a thread of its own.
        let (lines, feed) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            while let line = readLine() { feed.yield(line) }
            feed.finish()
        }
        for await line in lines { say(await driver.answer(line)) }
        following.cancel()
        serving.cancel()
    }

    /// At once, into a pipe too.
    private static func say(_ line: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }

    private func answer(_ line: String) async -> String {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        do {
            switch words[0] {
            case "apply": return "\(try await control.apply(try submission(words[1]), by: "driver").revision)"
            case "plan": return Self.text(try await control.plan(try submission(words[1])))
            case "delete":
                let keys = try words[1].split(separator: " ").map { word in
                    let parts = word.split(separator: "/").map(String.init)
                    return try DocumentKey("default", parts[0], parts[1])
                }
                return "\(try await control.delete(keys, within: nil, by: "driver", message: "").revision)"
            case "rollback":
                let revision = Revision(words[1]) ?? 0
                return
                    "\(try await control.rollback(namespace: "default", keys: nil, to: revision, within: nil, by: "driver", message: "").revision)"
            case "report": return report(of: words[1])
            case "proxies": return await control.ownProxies().map(Self.text).joined(separator: "; ")
            case "register", "renew", "health", "deregister", "instances": return try await registry(words)
            default: return "what is \(words[0])?"
            }
        } catch OperationError.invalid(let errors) {
            return "invalid: " + errors.map(\.description).joined(separator: "; ")
        } catch {
            return "error: \(error)".replacing("\n", with: " ")
        }
    }

    private func submission(_ json: String) throws -> Submission {
        let order = try JSONDecoder().decode(Order.self, from: Data(json.utf8))
        return Submission(
            namespace: order.namespace ?? "default", files: [.init(name: "mesh.yaml", bytes: Array(order.text.utf8))],
            attachments: (order.files ?? [:]).mapValues { Array($0.utf8) })
    }

    /// What a proxy has reported: `none`, or the versions in force, what waits, and its counts since the first report.
    private func report(of id: String) -> String {
        let proxy = ProxyName(namespace: "default", id: id)
        guard let report = control.fleet.newestReport(of: proxy) else { return "none" }
        let states = report.states.sorted { $0.key.rawValue < $1.key.rawValue }.map { type, state in
            "\(type.rawValue.split(separator: ".").last ?? "")=\(state.version)\(state.waiting.map { " waits:\($0)" }.joined())"
        }
        guard let traffic = control.fleet.traffic(of: proxy, since: .now - .seconds(3600)) else {
            return states.joined(separator: " ")
        }
        let policies = traffic.policies.sorted { $0.key < $1.key }.map { name, tally in
            "\(name):\(tally.runs)/\(tally.errors)/\(tally.budgetBreaches)"
        }
        let counts = "requests=\(traffic.requests) 5xx=\(traffic.errors5xx) timed=\(traffic.durations.reduce(0, +))"
        return (states + [counts] + policies).joined(separator: " ")
    }

    private static func text(_ proxy: ProxyStatus) -> String {
        let refusal = proxy.feeds.compactMap { $0.refusal?.message }.joined(separator: " ").replacing("\n", with: " ")
        return
            "\(proxy.id) \(proxy.method) \(proxy.state.rawValue) sent=\(proxy.sentRevision) acked=\(proxy.acknowledgedRevision) applied=\(proxy.appliedRevision ?? 0) \(refusal)"
    }

    private static func text(_ plan: ChangePlan) -> String {
        plan.proxies.map { proxy in
            "\(proxy.id): "
                + (proxy.resources.map { "\($0.type) \($0.name) \($0.action.rawValue)" }
                + proxy.drains.map { "drains \($0)" })
                .joined(separator: ", ")
        }.joined(separator: "; ")
    }
}
