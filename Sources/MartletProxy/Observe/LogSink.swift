internal import MartletCore
internal import MartletNet
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// Writes log bytes to one file on a thread of its own. Workers hand over what they have and never wait: lines beyond
/// `maxPending`, when the file's reader is too slow, and those that the system does not take are lost and counted.
///
/// The thread holds the sink while there is something to write, so that the file is closed behind the last line.
package final class LogSink: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var isThreadAwake = false
        var isWriting = false
        var reopens = false
    }

    /// Bytes kept for a slow reader.
    static let maxPending = 16 << 20
    /// How long lines gather before the next write, under load.
    private static let pause: UInt32 = 20_000

    let file: LogFile
    private let lost: LostLines
    /// Hears that writing fails, once until it works again.
    private let failed: @Sendable (String) -> Void
    private let isFailing = Atomic(false)
    // Held for a copy of bytes, never for a write.
    private let state = Locked(State())
    private let descriptor = Atomic<Int32>(-1)

    init(_ file: LogFile, lost: LostLines = LostLines(), failed: @escaping @Sendable (String) -> Void) {
        self.file = file
        self.lost = lost
        self.failed = failed
    }

    deinit {
        let open = descriptor.load(ordering: .relaxed)
        if open >= 0 { close(open) }
    }

    /// Opens the file, unless it is open already.
    func open() throws(SystemError) {
        guard descriptor.load(ordering: .relaxed) < 0 else { return }
        let fresh = try file.open()
        let isTaken = descriptor.compareExchange(expected: -1, desired: fresh, ordering: .relaxed).exchanged
        if !isTaken { close(fresh) }
    }

    /// Hands `bytes`, whole lines, over to the thread.
    package func submit(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        let wakes = state.withLock { state -> Bool in
            guard state.pending.count + bytes.count <= Self.maxPending else {
                lost.add(linesIn: bytes)
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
            if reopens { openAnew() }
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
        var rest = bytes
        while !rest.isEmpty {
            // The kernel reads at most the array's own bytes.
            let count = unsafe Glibc.write(fd, rest, rest.count)
            if count >= 0 {
                rest.removeFirst(count)
                isFailing.store(false, ordering: .relaxed)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: usleep(Self.pause)
            case let code:
                // A full disk or a reader that is gone: to wait would only lose the lines behind these.
                lost.add(linesIn: rest.span)
                return report(SystemError(call: "cannot write \"\(file.path)\"", code: code))
            }
        }
    }

    private func report(_ error: SystemError) {
        guard !isFailing.exchange(true, ordering: .relaxed) else { return }
        failed("\(error); lines are lost and counted until it can")
    }

    /// For log rotation: closes the file and opens the path anew.
    package func reopen() {
        guard !file.isStream else { return }
        let wakes = state.withLock { state -> Bool in
            state.reopens = true
            guard !state.isThreadAwake else { return false }
            state.isThreadAwake = true
            return true
        }
        if wakes { startThread() }
    }

    private func openAnew() {
        do throws(SystemError) {
            let old = descriptor.exchange(try file.open(), ordering: .relaxed)
            if old >= 0 { close(old) }
        } catch {
            failed("\(error); lines go on to the file that was open")
        }
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

/// Lines that one path's sinks did not write, over all of them.
final class LostLines: Sendable {
    private let lines = Atomic<UInt64>(0)

    var count: UInt64 { lines.load(ordering: .relaxed) }

    /// The end of a line counts, and what has none is one.
    func add(linesIn bytes: Span<UInt8>) {
        var ends: UInt64 = 0
        for index in bytes.indices where bytes[index] == 0x0A { ends += 1 }
        lines.add(max(ends, 1), ordering: .relaxed)
    }
}
