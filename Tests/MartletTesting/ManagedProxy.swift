internal import Foundation

/// A proxy whose listeners are a control plane's affair, in a process of its own.
public final class ManagedProxy {
    private let adminPort: UInt16
    private let folder: URL
    private let arguments: [String]
    private var tool: TalkingTool?

    /// - Parameter text: the configuration but `admin`.
    public convenience init(_ text: String) throws {
        let (folder, port) = (try Self.makeFolder(), try TCPListener.freePort())
        let file = folder.appendingPathComponent("martlet.yaml")
        try "admin: { address: 127.0.0.1:\(port) }\n\(text)\n".write(to: file, atomically: true, encoding: .utf8)
        try self.init(folder, port, ["--config", file.path])
    }

    public convenience init(arguments: [String]) throws {
        let (folder, port) = (try Self.makeFolder(), try TCPListener.freePort())
        try self.init(folder, port, arguments + ["--admin-address", "127.0.0.1:\(port)"])
    }

    private init(_ folder: URL, _ port: UInt16, _ arguments: [String]) throws {
        self.folder = folder
        adminPort = port
        self.arguments = ["run", "--workers", "1"] + arguments
        try restart()
    }

    private static func makeFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-managed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func waitUntilReady() throws {
        guard eventually({ logged.contains(" ready: ") }) else {
            throw TestProxy.NotReady(description: "the proxy did not start: \(logged)")
        }
    }

    /// Ends it and starts it anew, with what it has kept.
    public func restart() throws {
        // Its ports must be free again.
        tool = nil
        tool = try TalkingTool(Tool.martlet.path, arguments)
        try waitUntilReady()
    }

    public var logged: String { tool?.said ?? "" }
    public func hasFile(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path)
    }

    // MARK: Asking

    private func get(_ port: UInt16, _ path: String) throws -> String {
        guard let socket = try? TCPSocket(port: port) else { return "" }
        try? socket.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        _ = socket.receiveToEnd()
        return String(decoding: socket.received, as: UTF8.self)
    }

    /// The body of the answer.
    public func answer(_ port: UInt16) throws -> String {
        try get(port, "/").components(separatedBy: "\r\n\r\n").dropFirst().joined()
    }

    public func status(_ port: UInt16) throws -> String {
        String(try get(port, "/").split(separator: " ").dropFirst().first ?? "")
    }

    /// Asks it to end; its exit code.
    public func end() -> Int32? { tool?.end() }

    public func metric(_ series: String) throws -> String? {
        let line = try admin("/metrics").split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line?.split(separator: " ").last.map(String.init)
    }

    public func admin(_ path: String) throws -> String { try get(adminPort, path) }
}
