internal import MartletConfig

/// What the kernel lets this process's control group have, before it kills.
enum CgroupMemory {
    /// The lowest limit of the group and those around it, version 2 or 1; nil when there is none.
    /// - Parameter read: the text of a file; nil when there is none.
    static func limit(read: (String) -> String? = CgroupMemory.text) -> Int? {
        guard let groups = read("/proc/self/cgroup") else { return nil }
        var lowest: Int?
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let root: String
            let file: String
            if parts[0] == "0" && parts[1].isEmpty {
                (root, file) = ("/sys/fs/cgroup", "memory.max")
            } else if parts[1].split(separator: ",").contains("memory") {
                (root, file) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                continue
            }
            // In a container the path may be the host's, of which only the root is to be seen.
            var steps = parts[2].split(separator: "/")
            while true {
                let folder = ([Substring(root)] + steps).joined(separator: "/")
                if let text = read("\(folder)/\(file)"), let bytes = Int(text.prefix { $0.isNumber }),
                    bytes < Self.unlimited
                {
                    lowest = min(lowest ?? bytes, bytes)
                }
                if steps.isEmpty { break }
                steps.removeLast()
            }
        }
        return lowest
    }

    /// Version 1 writes no limit as the largest multiple of a page.
    private static let unlimited = 1 << 60

    private static func text(_ path: String) -> String? {
        (try? ConfigFile.read(path, atMost: 65_536)).map { String(decoding: $0, as: UTF8.self) }
    }
}
