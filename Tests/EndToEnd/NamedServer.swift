import Foundation
import MartletTesting

/// `openssl s_server` with a certificate for one name, which answers with a page.
final class NamedServer {
    let port: UInt16
    private let tool: BackgroundTool
    let folder: URL

    init(_ name: String) throws {
        port = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = folder.appendingPathComponent("key").path
        let certificate = folder.appendingPathComponent("cert").path
        let made = try Tool.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                key,
                "-out", certificate, "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-days", "2",
            ])
        guard made.code == 0 else { throw TestProxy.NotReady(description: made.output) }
        tool = try BackgroundTool(
            "openssl",
            ["s_server", "-accept", "127.0.0.1:\(port)", "-cert", certificate, "-key", key, "-www", "-quiet"],
            endedBy: SIGKILL)
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "openssl did not start")
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// What a client is shown and told that asks for `name`.
    static func ask(_ port: UInt16, _ name: String?, _ more: [String] = []) throws -> String {
        let name = name.map { ["-servername", $0] } ?? ["-noservername"]
        // Stays until the server closes.
        let arguments = ["s_client", "-ign_eof", "-connect", "127.0.0.1:\(port)"] + name + more
        return try Tool.run("timeout", ["20", "openssl"] + arguments, input: "GET / HTTP/1.0\r\n\r\n").output
    }
}
