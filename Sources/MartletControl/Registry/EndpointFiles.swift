internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// Endpoints that operators write into files: `endpoints`, as a cluster has them. A file that is bad or gone changes nothing and is
/// told once.
package final class EndpointFiles: Sendable {
    private struct File {
        var bytes: [UInt8]?
        var complaint: String?
    }

    private let folder: EndpointFolder?
    private let log: @Sendable (String) -> Void
    private let files = Locked<[EndpointFileName: File]>([:])

    /// Between two looks at all of them.
    static let interval = Duration.seconds(1)

    /// - Parameter folder: nil: no file may be named.
    /// - Parameter log: what an operator should know.
    package init(folder: String?, log: @escaping @Sendable (String) -> Void) {
        self.folder = folder.map { EndpointFolder(path: $0) }
        self.log = log
    }

    var hasFolder: Bool { folder != nil }

    /// The endpoints of those files that are not what they were at the last look. Other files are forgotten.
    func look(at names: Set<EndpointFileName>) -> [EndpointSource: [DiscoveredEndpoint]] {
        guard let folder, !(names.isEmpty && files.withLock { $0.isEmpty }) else { return [:] }
        var found: [EndpointSource: [DiscoveredEndpoint]] = [:]
        var complaints: [String] = []
        files.withLock { files in
            files = files.filter { names.contains($0.key) }
            for name in names.sorted(by: { $0.description < $1.description }) {
                var complaint: String?
                do throws(EndpointFolder.Unreadable) {
                    let bytes = try folder.read(name)
                    guard files[name]?.bytes != bytes else { continue }
                    files[name, default: File()].bytes = bytes
                    let diagnostics = ConfigDiagnostics()
                    if let endpoints = Self.read(bytes, "\(folder.path)/\(name)", diagnostics) {
                        found[.file(name)] = endpoints
                    } else {
                        complaint = diagnostics.errors.map(\.description).joined(separator: "; ")
                    }
                } catch {
                    complaint = "\(folder.path)/\(name) \(error.reason)"
                    // When it is back, it is read, be it what it was.
                    files[name, default: File()].bytes = nil
                }
                if let complaint, files[name]?.complaint != complaint { complaints.append(complaint) }
                files[name]?.complaint = complaint
            }
        }
        for complaint in complaints { log("endpoints stay as they were: \(complaint)") }
        return found
    }

    /// Nil after reporting what is wrong.
    private static func read(
        _ bytes: [UInt8], _ path: String, _ diagnostics: ConfigDiagnostics
    ) -> [DiscoveredEndpoint]? {
        diagnostics.isDiscovered = true
        guard let root = YAMLDocument.read(bytes, file: path, diagnostics: diagnostics) else { return nil }
        let section = ConfigSection(root, diagnostics: diagnostics)
        if !section.has("endpoints") { section.missing("endpoints", hint: "endpoints: [\"10.0.0.1:8080\"]") }
        let endpoints = ClusterConfig.endpoints(section)
        section.finish()
        guard !diagnostics.hasErrors else { return nil }
        return endpoints.map { DiscoveredEndpoint(address: $0.address, weight: $0.weight, zone: $0.zone ?? "") }
    }
}
