internal import MartletConfig
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

/// Where log lines go: a file that is appended to, or a stream that the process was started with.
struct LogFile: Sendable {
    let path: String

    /// A stream is there from the start, and nobody rotates it.
    var isStream: Bool { path == "/dev/stdout" || path == "/dev/stderr" }

    /// Makes the file where there is none.
    func open() throws(SystemError) -> Int32 {
        let descriptor: Int32 =
            switch path {
            // Through its path a stream that is a socket could not be opened.
            case "/dev/stdout": fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
            case "/dev/stderr": fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
            default: unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
            }
        guard descriptor >= 0 else { throw failure(errno) }
        return descriptor
    }

    /// Fails as `open` would, without making the file: a configuration that is only checked leaves nothing behind.
    func check() throws(SystemError) {
        if isStream { return }
        var code = access(path, W_OK)
        if code == ENOENT {
            code = access(directory, W_OK | X_OK)
        } else if code == 0, access(path + "/.", F_OK) == 0 {
            code = EISDIR
        }
        guard code == 0 else { throw failure(code) }
    }

    private func failure(_ code: Int32) -> SystemError { SystemError(call: "cannot write \"\(path)\"", code: code) }

    /// Zero, or why this process may not.
    private func access(_ path: String, _ mode: Int32) -> Int32 {
        unsafe faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    func report(_ error: SystemError, at place: ConfigPlace, _ diagnostics: ConfigDiagnostics) {
        let hint: String? =
            switch error.code {
            case ENOENT, ENOTDIR: "create the folder \"\(directory)\", or choose another path"
            case EISDIR: "name a file in it, such as \"\(path)/access.log\""
            case EACCES, EROFS: "the user that runs martlet must be allowed to write there"
            default: nil
            }
        diagnostics.error(at: place, error.description, hint: hint)
    }
}
