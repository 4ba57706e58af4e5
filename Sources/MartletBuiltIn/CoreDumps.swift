#if canImport(Glibc)
internal import Glibc
#endif

/// What of this process's memory the kernel writes into a core dump (core(5)): keys, tokens and clients' bodies are in it.
package enum CoreDumps {
    /// Core dumps hold registers only from here on, wherever they go and however large they may be. False: the kernel does
    /// not say that it obeys.
    package static func leaveMemoryOut() -> Bool {
        // For all threads of the process. A limit on the size of core files would not hold for those that go to a program.
        let file = unsafe open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        return unsafe write(file, "0", 1) == 1
    }
}
