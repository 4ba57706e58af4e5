import Foundation
import MartletTesting

/// A control plane in a process of its own (Tests/MeshDriver), with its store in a folder.
final class MeshServer {
    let port: UInt16
    private let folder: URL
    private var tool: TalkingTool?

    init() throws {
        port = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-mesh-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try start()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func start() throws {
        let program = Tool.martlet.deletingLastPathComponent().appendingPathComponent("MeshDriver").path
        let tool = try TalkingTool(program, [folder.appendingPathComponent("store").path, "\(port)"])
        self.tool = tool
        guard tool.answer() == "ready" else { throw TestProxy.NotReady(description: "the control plane: \(tool.said)") }
    }

    /// A file of endpoints.
    func write(_ name: String, _ text: String) throws {
        let file = folder.appendingPathComponent("store.endpoints/\(name)")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    /// With SIGKILL.
    func kill() { tool = nil }

    @discardableResult
    func ask(_ line: String) throws -> String { try tool?.ask(line) ?? "" }

    struct Refused: Error, CustomStringConvertible { let description: String }

    private struct Order: Encodable {
        let namespace: String
        let text: String
        let files: [String: String]
    }

    private func order(_ word: String, _ text: String, _ namespace: String, _ files: [String: String]) throws -> String
    {
        let json = try JSONEncoder().encode(Order(namespace: namespace, text: text, files: files))
        return try ask("\(word) " + String(decoding: json, as: UTF8.self))
    }

    /// The revision.
    @discardableResult
    func apply(_ text: String, namespace: String = "default", files: [String: String] = [:]) throws -> Int {
        let answer = try order("apply", text, namespace, files)
        guard let revision = Int(answer) else { throw Refused(description: answer) }
        return revision
    }

    func plan(_ text: String) throws -> String { try order("plan", text, "default", [:]) }

    /// Every proxy that is connected has what it is to have, and so many are.
    func settles(_ count: Int, _ revision: Int) throws -> Bool {
        try eventually {
            let proxies = try ask("proxies").split(separator: ";")
            return proxies.count == count
                && proxies.allSatisfy { $0.contains(" synced ") && $0.contains(" acked=\(revision) ") }
        }
    }
}

/// Ports on which listeners of a mesh are.
extension MeshServer {
    /// One listener with everything to one cluster.
    static func plain(_ port: UInt16, cluster: String = "api", filters: String = "router") -> String {
        "listeners: [{ name: public, address: 127.0.0.1:\(port), filters: [\(filters)], routes: [{ match: {}, cluster: \(cluster) }] }]\n"
    }

    static func cluster(_ name: String, _ upstreams: ScriptedUpstream...) -> String {
        "- { name: \(name), endpoints: [\(upstreams.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", "))] }\n"
    }
}

extension ScriptedUpstream {
    /// Answers every request with one word.
    static func saying(_ word: String) throws -> ScriptedUpstream {
        try answering("HTTP/1.1 200 OK\r\nContent-Length: \(word.utf8.count)\r\n\r\n\(word)")
    }
}
