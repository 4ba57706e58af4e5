#if !SANITIZE_THREAD
package import Synchronization

/// A value reached only under its lock: the standard library's mutex.
package typealias Locked = Mutex
#else
internal import Glibc

/// The same over a pthread mutex, for `make sanitize`: ThreadSanitizer does not see the standard library's lock and
/// unlock, and reports all that is reached only under one.
///
/// `@unchecked Sendable`: `value` is touched only between lock and unlock.
@safe package struct Locked<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    package init(_ initial: consuming sending Value) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe value = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe value.initialize(to: initial)
    }

    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try unsafe body(&value.pointee)
    }

    deinit {
        unsafe value.deinitialize(count: 1)
        unsafe pthread_mutex_destroy(mutex)
        unsafe value.deallocate()
        unsafe mutex.deallocate()
    }
}
#endif
