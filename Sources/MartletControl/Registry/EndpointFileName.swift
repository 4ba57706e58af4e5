/// A file of endpoints, as a cluster of a namespace names it: below the folder of that namespace in the operator's folder.
package struct EndpointFileName: Sendable, Hashable, CustomStringConvertible {
    package let namespace: String
    package let path: String

    package var description: String { "\(namespace)/\(path)" }

    private static let limit = 1024

    /// Why a path is none that may be named; nil: it may.
    static func problem(_ path: String) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if path.utf8.count > limit { return "is longer than \(limit) bytes" }
        if path.hasPrefix("/") { return "is an absolute path" }
        if parts.contains("..") || parts.contains(".") { return "may not leave its folder" }
        if parts.contains("") || path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            return "is no path of a file"
        }
        return nil
    }
}
