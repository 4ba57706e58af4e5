internal import Glibc
internal import MartletCore
internal import Synchronization

/// Threads for work that takes too long for a worker, such as hashing a password. They are started with the first piece of work and
/// stay. Nothing waits beyond the limit that comes with it.
package final class WorkThreads: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        /// Of `waiting`, handed out already.
        var taken = 0
        var hasThreads = false
    }

    private let name: String
    private let count: Int
    // Any thread; held for as long as it takes to add or take one piece of work.
    private let state = Locked(State())
    private let arrivals = Semaphore()

    /// - Parameters:
    ///   - name: as `top -H` shows them; the kernel keeps 15 characters.
    ///   - count: how many; at least one.
    package init(name: String, count: Int) {
        self.name = name
        self.count = max(count, 1)
    }

    /// Has `work` done on one of the threads, in order of arrival. False, and nothing is done, when `limit` pieces wait already or
    /// no thread can be started.
    package func submit(limit: Int, _ work: @escaping @Sendable () -> Void) -> Bool {
        let isAccepted = state.withLock { state -> Bool in
            guard state.waiting.count - state.taken < limit else { return false }
            if !state.hasThreads { state.hasThreads = start() }
            guard state.hasThreads else { return false }
            state.waiting.append(work)
            return true
        }
        if isAccepted { arrivals.send() }
        return isAccepted
    }

    /// Whether at least one thread runs.
    private func start() -> Bool {
        for index in 0..<count {
            do throws(SystemError) {
                try LoopThread.start(name) { [self] in while true { workOnce() } }
            } catch {
                return index > 0
            }
        }
        return true
    }

    private func workOnce() {
        arrivals.wait()
        let work = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.taken < state.waiting.count else { return nil }
            let work = state.waiting[state.taken]
            // What it holds, such as a password, is not kept until the array is next made shorter.
            state.waiting[state.taken] = {}
            state.taken += 1
            if state.taken == state.waiting.count || state.taken >= 64 {
                state.waiting.removeFirst(state.taken)
                state.taken = 0
            }
            return work
        }
        work?()
    }
}

/// Counts what threads wait for.
///
/// `@unchecked Sendable`: a POSIX semaphore is made to be used from any thread; the pointer never changes.
@safe
private final class Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func send() { unsafe sem_post(semaphore) }

    /// A signal's interruption is no arrival.
    func wait() { while unsafe sem_wait(semaphore) != 0 && errno == EINTR {} }
}
