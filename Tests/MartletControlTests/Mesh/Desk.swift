import Foundation
import MartletConfig
import MartletControl
import MartletControlCheck
import MartletTesting
import MartletXDS

/// A control plane with a store of its own and no doors.
struct Desk {
    let control: MeshControl
    private let follower: Task<Void, Never>
    private let folder: URL

    init(
        _ files: EndpointFiles = EndpointFiles(folder: nil, log: { _ in }),
        replicas: any ReplicaGroup = SoleReplica()
    ) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-desk-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let store = try SQLiteStore(path: folder.appendingPathComponent("store").path)
        control = MeshControl(
            store: store, checker: ProxyCheck(), files: files, replicas: replicas,
            now: { Int64(Date().timeIntervalSince1970 * 1000) },
            log: { _ in })
        follower = Task { [control] in await control.run() }
    }

    func end() async {
        follower.cancel()
        await follower.value
        try? FileManager.default.removeItem(at: folder)
    }

    func use<Value>(_ body: (Desk) async throws -> Value) async throws -> Value {
        while await !control.isReady { await Task.yield() }
        let result: Result<Value, any Error>
        do { result = .success(try await body(self)) } catch { result = .failure(error) }
        await end()
        return try result.get()
    }

    static func submission(
        _ text: String, namespace: String = "default", files: [String: String] = [:]
    ) -> Submission {
        Submission(
            namespace: namespace, files: [.init(name: "mesh.yaml", bytes: Array(text.utf8))],
            attachments: files.mapValues { Array($0.utf8) })
    }

    @discardableResult
    func apply(_ text: String, namespace: String = "default", files: [String: String] = [:]) async throws -> Applied {
        try await control.apply(Self.submission(text, namespace: namespace, files: files), by: "tester")
    }

    /// The errors that a submission is refused with.
    func errors(_ text: String, namespace: String = "default", files: [String: String] = [:]) async -> [String] {
        do {
            try await apply(text, namespace: namespace, files: files)
            return []
        } catch OperationError.invalid(let errors) {
            return errors.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    /// Names of the resources that a proxy would have, by type.
    func told(_ proxy: ProxyIdentity, _ type: ResourceType) async throws -> [String] {
        let mesh = await control.mesh
        return await control.publisher.snapshot(for: proxy, under: mesh).table(type).resources.map(\.name)
    }
}
