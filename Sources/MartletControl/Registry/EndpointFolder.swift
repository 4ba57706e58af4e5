internal import Foundation
internal import MartletConfig

/// The operator's folder with files of endpoints, a folder a namespace below it. What lies elsewhere is not read, whatever links
/// lead there.
struct EndpointFolder: Sendable {
    let path: String

    struct Unreadable: Error, Equatable {
        let reason: String
    }

    private static let limit = 1 << 20

    func read(_ name: EndpointFileName) throws(Unreadable) -> [UInt8] {
        guard EndpointFileName.problem(name.path) == nil, EndpointFileName.problem(name.namespace) == nil else {
            throw Unreadable(reason: "is no path below the folder")
        }
        let root = URL(fileURLWithPath: path).resolvingSymlinksInPath().path + "/\(name.namespace)/"
        let resolved = URL(fileURLWithPath: root + name.path).resolvingSymlinksInPath().path
        let attributes = try? FileManager.default.attributesOfItem(atPath: resolved)
        guard let type = attributes?[.type] as? FileAttributeType else { throw Unreadable(reason: "is not there") }
        // To open a pipe is to wait for its writer.
        guard type == .typeRegular else { throw Unreadable(reason: "is no file") }
        guard let file = FileHandle(forReadingAtPath: resolved) else { throw Unreadable(reason: "may not be read") }
        defer { try? file.close() }
        // Names may lead elsewhere by now: where the open file is, the kernel says.
        let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(file.fileDescriptor)")
        guard place?.hasPrefix(root) == true else { throw Unreadable(reason: "leads out of its folder") }
        do {
            let data = try file.read(upToCount: Self.limit + 1) ?? Data()
            guard data.count <= Self.limit else { throw Unreadable(reason: "is larger than 1 MiB") }
            return Array(data)
        } catch let error as Unreadable {
            throw error
        } catch {
            throw Unreadable(reason: "cannot be read: \(error)")
        }
    }
}
