import Foundation
import MartletTesting

/// An etcd of one member that can be killed and come back with what it has written. Ends with the object.
final class EtcdProcess {
    let port: UInt16
    private let peerPort: UInt16
    private let folder: URL
    private var tool: BackgroundTool?

    init() throws {
        (port, peerPort) = (try TCPListener.freePort(), try TCPListener.freePort())
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-etcd-\(UUID().uuidString)")
        try start()
    }

    deinit {
        tool = nil
        try? FileManager.default.removeItem(at: folder)
    }

    /// Returns once it answers.
    func start() throws {
        // Its ports must be free again.
        tool = nil
        let (client, peer) = ("http://127.0.0.1:\(port)", "http://127.0.0.1:\(peerPort)")
        tool = try BackgroundTool(
            "etcd",
            [
                "--data-dir", folder.path, "--name", "one", "--log-level", "panic",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "one=\(peer)",
                // It votes for itself; the sooner, the better.
                "--heartbeat-interval", "50", "--election-timeout", "250",
            ], endedBy: SIGKILL)
        let isHealthy = try eventually {
            try Tool.run("curl", ["-s", "-m", "5", client + "/health"]).output.contains("true")
        }
        guard isHealthy else {
            throw TestProxy.NotReady(description: "etcd does not answer; is etcd-server installed?")
        }
    }

    var processID: Int32? { tool?.processID }
}
