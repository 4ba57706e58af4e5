internal import CLinux

/// A thread with a name that runs `body` and ends. Signals are blocked in it: they are the supervisor's.
package enum LoopThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Parameter name: as shown by `top -H`; the kernel keeps 15 characters.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let context = unsafe Unmanaged.passRetained(Body(body))
        // The thread takes the reference over and releases it when it ends.
        let result = unsafe mrt_thread_start(
            name,
            { context in
                guard let context = unsafe context else { return }
                let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                body.run()
            }, context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            throw SystemError(call: "pthread_create", code: -result)
        }
    }
}

/// Facts of the machine that limits and defaults depend on.
package enum Machine {
    /// Cores this process may run on.
    package static var cores: Int { Int(mrt_online_cores()) }

    /// Raises the soft limit of open files to the hard one and returns it.
    @discardableResult
    package static func raiseOpenFiles() -> Int { Int(mrt_raise_open_files()) }

    /// Resident memory of this process in bytes.
    package static var residentBytes: Int { Int(mrt_resident_bytes()) }

    /// Resident memory of this process that is no file's and so cannot be had back without killing it, in bytes; 0 when the
    /// system does not say.
    package static var anonymousBytes: Int { max(Int(mrt_anonymous_bytes()), 0) }

    package static var physicalBytes: Int { max(Int(mrt_physical_bytes()), 1) }

    /// Gives freed memory that the allocator keeps back to the system. Takes milliseconds, and each thread's allocator for a
    /// part of them.
    package static func trimMemory() { mrt_trim_memory() }
}
