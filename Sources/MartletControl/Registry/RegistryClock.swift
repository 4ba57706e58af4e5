/// The time of a registry: monotonic, from any beginning.
package struct RegistryClock: Sendable {
    package let now: @Sendable () -> Duration
    /// Returns at a time or after it, or throws when the task is cancelled.
    package let sleep: @Sendable (_ until: Duration) async throws -> Void

    package init(now: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        (self.now, self.sleep) = (now, sleep)
    }

    /// The machine's. It stands still while the machine does: nobody could renew meanwhile.
    package static let machine: RegistryClock = {
        let start = SuspendingClock.now
        return RegistryClock(
            now: { SuspendingClock.now - start },
            sleep: { try await Task.sleep(until: start + $0, clock: .suspending) })
    }()
}
