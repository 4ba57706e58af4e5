import Foundation
import MartletTesting
import Testing

/// A gRPC server of grpcio's (Peers/grpc_server.py), and its client. Debian's Python has grpcio; another one in front need not.
final class GRPCPeer {
    let port: UInt16
    private let folder: URL
    private let identity: CertificateForge.Issued?
    private var tool: BackgroundTool?

    private static let python = "/usr/bin/python3"
    private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Peers")

    /// - Parameters:
    ///   - isSecure: speaks TLS, as 127.0.0.1.
    ///   - state: what the standard services answer by: `health:SERVICE` to the number of a status; and of the server itself,
    ///     `option:NAME` to the number of its option `grpc.NAME`.
    init(isSecure: Bool = false, state: [String: String] = [:]) throws {
        identity = isSecure ? try CertificateForge.shared.server("127.0.0.1") : nil
        port = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-grpc-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try set(state)
        try Data().write(to: folder.appendingPathComponent("state.seen"))
        try start()
    }

    deinit {
        tool = nil
        try? FileManager.default.removeItem(at: folder)
    }

    func set(_ state: [String: String]) throws {
        try state.map { "\($0.key) \($0.value)\n" }.joined()
            .write(to: folder.appendingPathComponent("state"), atomically: true, encoding: .utf8)
    }

    func start() throws {
        let (script, state) = (
            Self.scripts.appendingPathComponent("grpc_server.py"), folder.appendingPathComponent("state")
        )
        tool = try BackgroundTool(
            Self.python,
            [script.path, "\(port)", state.path] + (identity.map { [$0.certificateFile, $0.keyFile] } ?? []))
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "the gRPC server did not start: Scripts/install-packages test")
        }
    }

    func stop() { tool = nil }

    /// What the server was asked so far.
    var seen: [[String: Any]] {
        let text = (try? String(contentsOf: folder.appendingPathComponent("state.seen"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
        }
    }

    /// What a listener and a cluster say to speak TLS, as 127.0.0.1; nothing for clear text.
    static func tls(_ isSecure: Bool = true) throws -> (listener: String, cluster: String) {
        guard isSecure else { return ("", "") }
        let identity = try CertificateForge.shared.server("127.0.0.1")
        return (
            "tls: { certificate: \(identity.certificateFile), private_key: \(identity.keyFile) }",
            "tls: { ca: \(try CertificateForge.shared.authority().certificateFile) }"
        )
    }

    /// A client whose one call goes on as a test tells it: the scenario `steered`.
    static func steered(_ port: UInt16, isSecure: Bool) throws -> TalkingTool {
        let authorities = isSecure ? try CertificateForge.shared.authority().certificateFile : "-"
        let script = scripts.appendingPathComponent("grpc_client.py")
        return try TalkingTool(python, [script.path, "\(port)", authorities, "steered"])
    }

    /// Runs scenarios of Peers/grpc_client.py against a port; all must go well.
    static func call(
        _ port: UInt16, isSecure: Bool = false, _ scenarios: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try call(port, isSecure: isSecure, scenarios, sourceLocation: sourceLocation)
    }

    static func call(
        _ port: UInt16, isSecure: Bool = false, _ scenarios: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let authorities = isSecure ? try CertificateForge.shared.authority().certificateFile : "-"
        let script = scripts.appendingPathComponent("grpc_client.py")
        let result = try Tool.run("timeout", ["60", python, script.path, "\(port)", authorities] + scenarios)
        #expect(result.code == 0, "\(result.output)", sourceLocation: sourceLocation)
    }
}
