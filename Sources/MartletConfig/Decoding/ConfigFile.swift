#if canImport(Glibc)
internal import Glibc
#endif

/// Reads whole files that a configuration names, never more of them than is allowed.
package enum ConfigFile {
    /// Why a file could not be read, in the system's words or ours.
    package struct Failure: Error {
        package var reason: String

        package init(reason: String) { self.reason = reason }
        package init(tooLarge limit: Int) { reason = "larger than \(limit >> 10) KiB" }
    }

    /// The largest configuration file.
    package static let maxConfiguration = 64 << 20

    /// The largest policy.
    package static let maxPolicy = 4 << 20

    /// Of a file this large, a change is known by its state alone.
    package static let largeSize = 1 << 20

    /// What the system says of a file that is open.
    package struct State: Sendable {
        package let size: Int
        package let owner: UInt32
        /// Permission bits.
        package let mode: UInt32
        /// Differs for a file with other content: device, inode, size, times.
        package let identity: [UInt64]

        /// Not on a disk at all.
        package let isSupplied: Bool

        init(supplied size: Int) {
            self.size = size
            (owner, mode, identity, isSupplied) = (geteuid(), 0o600, [], true)
        }

        init?(_ descriptor: Int32) {
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0 else { return nil }
            size = Int(clamping: status.st_size)
            owner = status.st_uid
            mode = status.st_mode & 0o7777
            isSupplied = false
            identity = [
                UInt64(status.st_dev), UInt64(status.st_ino), UInt64(clamping: status.st_size),
                UInt64(bitPattern: Int64(status.st_mtim.tv_sec)), UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)),
                UInt64(bitPattern: Int64(status.st_ctim.tv_sec)), UInt64(bitPattern: Int64(status.st_ctim.tv_nsec)),
            ]
        }
    }

    static func state(of path: String) -> State? {
        guard let descriptor = try? opened(path) else { return nil }
        defer { close(descriptor) }
        return State(descriptor)
    }

    /// The state is that of the file before its first byte was read.
    static func readWithState(_ path: String, atMost limit: Int) throws(Failure) -> (bytes: [UInt8], state: State) {
        let descriptor = try opened(path)
        defer { close(descriptor) }
        guard let state = State(descriptor) else { throw Failure(reason: systemReason()) }
        guard state.size <= limit else { throw Failure(tooLarge: limit) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(state.size)
        try forEachChunk(of: descriptor) { (chunk) throws(Failure) in
            guard bytes.count + chunk.count <= limit else { throw Failure(tooLarge: limit) }
            bytes += chunk
        }
        guard State(descriptor)?.identity == state.identity else { throw Failure(reason: "it is being written") }
        return (bytes, state)
    }

    package static func read(_ path: String, atMost limit: Int) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        try forEachChunk(of: path) { (chunk) throws(Failure) in
            guard bytes.count + chunk.count <= limit else { throw Failure(tooLarge: limit) }
            bytes += chunk
        }
        return bytes
    }

    /// Of a file that cannot be read, the bytes until that shows.
    static func forEachByte(of path: String, _ body: (UInt8) -> Void) {
        try? forEachChunk(of: path) { (chunk) throws(Failure) in for byte in chunk { body(byte) } }
    }

    private static func forEachChunk(
        of path: String, _ body: (ArraySlice<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        let descriptor = try opened(path)
        defer { close(descriptor) }
        try forEachChunk(of: descriptor, body)
    }

    private static func opened(_ path: String) throws(Failure) -> Int32 {
        guard !path.utf8.contains(0) else { throw Failure(reason: "a path cannot hold NUL") }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(reason: systemReason()) }
        return descriptor
    }

    private static func forEachChunk(
        of descriptor: Int32, _ body: (ArraySlice<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let capacity = chunk.count
            // The kernel writes at most `capacity` bytes, which is what the array holds.
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, capacity) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(reason: systemReason())
            }
            if count == 0 { return }
            try body(chunk[..<count])
        }
    }

    private static func systemReason() -> String {
        // strerror answers with text that lives until the next call on this thread; it is copied here.
        unsafe String(cString: strerror(errno))
    }

    /// `path` as seen from the folder of the file that names it.
    package static func resolve(_ path: String, from file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash]) + path
    }
}

extension ConfigSection {
    /// The path under `key`, resolved against the folder of the configuration file. The file is not looked at.
    public func path(_ key: String) -> String? {
        value(key, .name).map { ConfigFile.resolve($0, from: place.mark.file) }
    }

    /// The bytes of the file that `key` names; what keeps it from being read is reported. Nil when absent, too.
    public func file(_ key: String, atMost limit: Int = 1 << 20) -> [UInt8]? {
        guard let path = path(key) else { return nil }
        do {
            return try diagnostics.files.read(path, atMost: limit)
        } catch {
            self.error(at: key, "cannot read \"\(path)\": \(error.reason)", hint: pathHint(path))
            return nil
        }
    }

    private func pathHint(_ path: String) -> String? {
        path.hasPrefix("/") ? nil : "relative paths start at the configuration file's folder"
    }
}
