import Foundation
import MartletTesting

/// Peers from PyPI, each kind in a virtual environment of its own, which is made once and kept in the build folder.
enum PeerEnvironment {
    /// The environment's python.
    static func python(_ requirements: String) throws -> URL {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let made = try Tool.run(
            root.appendingPathComponent("Scripts/peer-environment").path, [Origin.script(requirements)])
        guard made.code == 0, let path = made.output.split(separator: "\n").last else {
            throw TestProxy.NotReady(description: made.output)
        }
        return URL(fileURLWithPath: String(path))
    }

    static func folder(_ name: String) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-\(name)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
