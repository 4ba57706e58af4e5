internal import Foundation

#if canImport(Glibc)
internal import Glibc
#endif

/// `martlet-control`, which has the packages that a proxy does without.
enum ControlPlaneProgram {
    static let name = "martlet-control"

    /// Beside this program, or where the shell would find it.
    static var path: String? {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        // An empty entry of PATH is the current folder, where anybody may have put anything.
        return ([own] + folders).map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Becomes that program. Returns only when it cannot: the exit code.
    static func become(_ arguments: [String]) -> Int32 {
        guard let path else {
            report("this is a command of \(name), which is neither beside this program nor in PATH")
            return 127
        }
        // Copies that live until the process is another program; execv reads up to the nil at the end.
        var words = unsafe ([name] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        unsafe execv(path, words)
        report("\(path) cannot be started: \(unsafe String(cString: strerror(errno)))")
        return 126
    }

    private static func report(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("martlet: \(text)\n".utf8))
    }
}
