internal import MartletConfig

#if canImport(Glibc)
internal import Glibc
#endif

/// A file that is replaced as a whole, or not at all: keys may be in it, and a power failure must not halve it.
struct StateFile: Sendable {
    let path: String

    /// Nil when there is none.
    func read() throws(ConfigFile.Failure) -> [UInt8]? {
        guard unsafe access(path, F_OK) == 0 else { return nil }
        return try ConfigFile.read(path, atMost: 1 << 30)
    }

    /// What went wrong; nil when it is there now. Blocking: not for the supervisor's thread.
    func write(_ bytes: [UInt8]) -> String? {
        let fresh = path + ".new"
        let file = unsafe open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return failure("open") }
        defer { close(file) }
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(file, $0.baseAddress?.advanced(by: sent), $0.count - sent)
            }
            guard count > 0 else { return failure("write") }
            sent += count
        }
        guard fsync(file) == 0 else { return failure("fsync") }
        guard unsafe rename(fresh, path) == 0 else { return failure("rename") }
        return nil
    }

    private func failure(_ call: String) -> String { "\(path): \(call): \(unsafe String(cString: strerror(errno)))" }
}
