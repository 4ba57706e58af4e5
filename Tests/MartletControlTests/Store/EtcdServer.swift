import Foundation
import MartletControl
import MartletTesting
import Testing

/// An etcd of one member, with a folder of its own, that ends with this object.
final class EtcdServer {
    let endpoint: EtcdEndpoint
    private let process = Process()
    private let folder: URL

    /// Returns once it answers.
    /// - Parameter port: nil: a free one.
    init(port: UInt16? = nil) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-etcd-\(UUID().uuidString)")
        let (client, peer) = (try port ?? TCPListener.freePort(), try TCPListener.freePort())
        endpoint = EtcdEndpoint(host: "127.0.0.1", port: Int(client))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "etcd", "--data-dir", folder.path, "--name", "one", "--log-level", "panic",
            "--listen-client-urls", endpoint.description, "--advertise-client-urls", endpoint.description,
            "--listen-peer-urls", "http://127.0.0.1:\(peer)",
            "--initial-advertise-peer-urls", "http://127.0.0.1:\(peer)",
            "--initial-cluster", "one=http://127.0.0.1:\(peer)",
            // It votes for itself; the sooner, the better.
            "--heartbeat-interval", "50", "--election-timeout", "250",
        ]
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
        command.arguments = ["curl", "-s", "-m", "10", "\(endpoint)/health"]
        command.standardOutput = output
        try command.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        command.waitUntilExit()
        return String(decoding: data, as: UTF8.self).contains("true")
    }
}
