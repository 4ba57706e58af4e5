package import MartletConfig
internal import MartletCore
internal import MartletNet
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// Writes log bytes to one file on a thread of its own. Workers hand over what they have and never wait: when the file's
/// reader is too slow, lines beyond `maxPending` are dropped and counted.
package final class LogSink: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var isThreadAwake = false
        var isWriting = false
        var reopens = false
        var dropped: UInt64 = 0
    }

    /// Bytes kept for a slow reader.
    static let maxPending = 16 << 20
    /// How long lines gather before the next write, under load.
    private static let pause: UInt32 = 20_000

    private let path: String
    // Held for a copy of bytes, never for a write.
    private let state = Locked(State())
    private let descriptor = Atomic<Int32>(-1)

    init(path: String) {
        self.path = path
        reopen(now: true)
    }

    package var dropped: UInt64 { state.withLock { $0.dropped } }

    /// Hands `bytes`, whole lines, over to the thread.
    package func submit(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        let wakes = state.withLock { state -> Bool in
            guard state.pending.count + bytes.count <= Self.maxPending else {
                var lines: UInt64 = 0
                for index in bytes.indices where bytes[index] == 0x0A { lines += 1 }
                state.dropped += max(lines, 1)
                return false
            }
            unsafe bytes.withUnsafeBufferPointer { unsafe state.pending.append(contentsOf: $0) }
            guard !state.isThreadAwake else { return false }
            state.isThreadAwake = true
            return true
        }
        // A thread for as long as there is something to write; under load it lives on and lines cost no system call.
        if wakes { startThread() }
    }

    private func startThread() {
        do throws(SystemError) {
            try LoopThread.start("log") { [self] in self.write() }
        } catch {
            state.withLock { $0.isThreadAwake = false }
        }
    }

    private func write() {
        var isQuiet = false
        while true {
            var reopens = false
            let bytes = state.withLock { state -> [UInt8] in
                let bytes = state.pending
                state.pending = []
                reopens = state.reopens
                state.reopens = false
                if bytes.isEmpty && isQuiet && !reopens { state.isThreadAwake = false }
                state.isWriting = !bytes.isEmpty
                return bytes
            }
            if reopens { reopen(now: true) }
            if bytes.isEmpty {
                if isQuiet && !reopens { return }
                isQuiet = true
            } else {
                isQuiet = false
                writeAll(bytes)
            }
            usleep(Self.pause)
        }
    }

    private func writeAll(_ bytes: [UInt8]) {
        let fd = descriptor.load(ordering: .relaxed)
        guard fd >= 0 else { return }
        unsafe bytes.withUnsafeBytes { raw in
            var done = 0
            while done < raw.count {
                // In bounds: `done` is below the count.
                let count = unsafe Glibc.write(fd, raw.baseAddress?.advanced(by: done), raw.count - done)
                if count < 0 {
                    if errno == EINTR { continue }
                    if errno == EAGAIN {
                        usleep(Self.pause)
                        continue
                    }
                    return
                }
                done += count
            }
        }
    }

    /// For log rotation: closes the file and opens the path anew.
    package func reopen() {
        let wakes = state.withLock { state -> Bool in
            state.reopens = true
            guard !state.isThreadAwake else { return false }
            state.isThreadAwake = true
            return true
        }
        if wakes { startThread() }
    }

    private func reopen(now: Bool) {
        let fd: Int32
        switch path {
        case "/dev/stdout": fd = dup(1)
        case "/dev/stderr": fd = dup(2)
        default: fd = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        }
        let old = descriptor.exchange(fd, ordering: .relaxed)
        if old >= 0 { close(old) }
    }

    /// Waits, at most a second, until everything handed over has been written.
    package func flush() {
        for _ in 0..<50 {
            let isDone = state.withLock { $0.pending.isEmpty && !$0.isWriting }
            if isDone { return }
            usleep(Self.pause)
        }
    }
}

/// The sinks of a process, one a path, kept across reloads.
package final class LogSinks: Sendable {
    private let sinks = Locked<[String: LogSink]>([:])

    package init() {}

    package func sink(for config: AccessLogConfig) -> LogSink? {
        guard case .file(let path) = config.target else { return nil }
        return sinks.withLock { sinks in
            if let known = sinks[path] { return known }
            let sink = LogSink(path: path)
            sinks[path] = sink
            return sink
        }
    }

    func flush() { for sink in sinks.withLock({ Array($0.values) }) { sink.flush() } }
    func reopen() { for sink in sinks.withLock({ Array($0.values) }) { sink.reopen() } }

    /// Lines dropped because a reader was too slow, by path.
    var dropped: [(path: String, lines: UInt64)] {
        sinks.withLock { $0.map { (path: $0.key, lines: $0.value.dropped) }.sorted { $0.path < $1.path } }
    }
}
