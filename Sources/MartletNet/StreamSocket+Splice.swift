internal import CLinux

#if canImport(Glibc)
internal import Glibc
#endif

extension StreamSocket {
    /// Bytes may pass by this process: there is no TLS.
    package var isPlain: Bool { secure == nil }

    /// Moves what has arrived into `pipe`, which must be empty, with one system call.
    package func read(into pipe: SplicePipe) -> ReadResult {
        guard isOpen, isReadable, secure == nil else { return .nothing }
        let moved = pipe.fill(from: descriptor)
        // However little it was, there may be more: the pipe may have been full of small pieces. Only EAGAIN tells.
        if moved > 0 { return .bytes(moved) }
        if moved == -Int(EAGAIN) {
            isReadable = false
            return .nothing
        }
        if moved < 0 {
            close()
            return .failed(SystemError(call: "splice", code: Int32(truncatingIfNeeded: -moved)))
        }
        isPeerClosed = true
        isReadable = false
        return .end
    }
}
