import Foundation
import MartletControl
import MartletTesting
import Testing

/// An etcd of one member, with a folder of its own, that ends with this object.
final class EtcdServer {
    let endpoint: EtcdEndpoint
    private let process = Process()
    private let folder: URL
    private let curl: [String]

    /// Returns once it answers.
    /// - Parameter port: nil: a free one.
    /// - Parameter isSecure: it speaks TLS, and wants to know who comes, by certificates of the forge's authority.
    init(port: UInt16? = nil, isSecure: Bool = false) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-etcd-\(UUID().uuidString)")
        let (client, peer) = (try port ?? TCPListener.freePort(), try TCPListener.freePort())
        var secure: [String] = []
        if isSecure {
            let authority = try CertificateForge.shared.authority().certificateFile
            // Its JSON gateway is a client of its own.
            let own = try CertificateForge.shared.server("127.0.0.1", isClient: true)
            let me = try CertificateForge.shared.client("control")
            secure = [
                "--cert-file", own.certificateFile, "--key-file", own.keyFile, "--client-cert-auth",
                "--trusted-ca-file", authority,
            ]
            curl = ["--cacert", authority, "--cert", me.certificateFile, "--key", me.keyFile]
            endpoint = EtcdEndpoint(
                host: "127.0.0.1", port: Int(client),
                security: try EtcdSecurity(ca: authority, certificate: me.certificateFile, privateKey: me.keyFile))
        } else {
            curl = []
            endpoint = EtcdEndpoint(host: "127.0.0.1", port: Int(client))
        }
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "etcd", "--data-dir", folder.path, "--name", "one", "--log-level", "panic",
                "--listen-client-urls", endpoint.description, "--advertise-client-urls", endpoint.description,
                "--listen-peer-urls", "http://127.0.0.1:\(peer)",
                "--initial-advertise-peer-urls", "http://127.0.0.1:\(peer)",
                "--initial-cluster", "one=http://127.0.0.1:\(peer)",
                // It votes for itself; the sooner, the better.
                "--heartbeat-interval", "50", "--election-timeout", "250",
            ] + secure
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let deadline = ContinuousClock.now + .seconds(60)
        while !(try await isHealthy()) {
            try #require(process.isRunning, "etcd ended; is etcd-server installed?")
            try #require(ContinuousClock.now < deadline, "etcd does not answer")
        }
    }

    deinit { stop() }

    func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private func isHealthy() async throws -> Bool {
        let command = Process()
        let output = Pipe()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        command.arguments = ["curl", "-s", "-m", "10", "\(endpoint)/health"] + curl
        command.standardOutput = output
        try command.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        command.waitUntilExit()
        return String(decoding: data, as: UTF8.self).contains("true")
    }
}
