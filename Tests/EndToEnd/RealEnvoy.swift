import Foundation
import MartletTesting

/// Envoy in a process of its own: what Martlet is compared with.
final class RealEnvoy {
    private let folder: URL
    private let tool: TalkingTool

    /// - Parameter configuration: its bootstrap, YAML or JSON.
    init(_ configuration: String) throws {
        folder = try PeerEnvironment.folder("envoy")
        let file = folder.appendingPathComponent("envoy.yaml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        tool = try TalkingTool(
            Self.program(),
            [
                "-c", file.path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error",
                "--drain-time-s", "1",
            ])
    }

    static func program() throws -> String {
        let python = try PeerEnvironment.python("envoy-requirements.txt")
        let library = python.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("lib")
        let program = try FileManager.default.contentsOfDirectory(at: library, includingPropertiesForKeys: nil)
            .map { $0.appendingPathComponent("site-packages/envoy/_bin/envoy").path }
            .first(where: FileManager.default.isExecutableFile)
        guard let program else { throw TestProxy.NotReady(description: "no Envoy in \(library.path)") }
        return program
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var logged: String { tool.said }
}

/// What a client sees of a proxy's answer: status and body, or that nobody listens.
func outcome(_ port: UInt16, _ path: String) -> String {
    guard let socket = try? TCPSocket(port: port) else { return "refused" }
    try? socket.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    _ = socket.receiveToEnd()
    let text = String(decoding: socket.received, as: UTF8.self)
    let status = text.split(separator: " ").dropFirst().first ?? "nothing"
    // Of the proxies' own answers the wording is theirs.
    guard status == "200" else { return String(status) }
    // Envoy sends what it does not know the length of in chunks.
    let body = text.components(separatedBy: "\r\n\r\n").dropFirst().joined().split(separator: "\r\n")
    return "200 " + (body.count > 1 ? String(body[1]) : String(body.first ?? ""))
}
