import Foundation
import MartletControl
import MartletCore
import Synchronization

/// A registry's clock that moves when the test says so.
final class ManualClock: Sendable {
    private struct State {
        var now = Duration.zero
        var sleepers: [Int: (until: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var last = 0
        var watching: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Locked(State())

    var clock: RegistryClock {
        RegistryClock(now: { self.state.withLock { $0.now } }, sleep: { try await self.wait(until: $0) })
    }

    /// In steps that each find somebody asleep, so that nobody takes it for a standstill.
    func advance(_ duration: Duration) async {
        var left = duration
        while left > .zero {
            let step = min(left, .milliseconds(500))
            await sleeping()
            jump(step)
            left -= step
        }
    }

    private func sleeping() async {
        await withCheckedContinuation { continuation in
            let isAsleep = state.withLock { state in
                if state.sleepers.isEmpty { state.watching.append(continuation) }
                return !state.sleepers.isEmpty
            }
            if isAsleep { continuation.resume() }
        }
    }

    /// All at once, as when nothing runs for so long.
    func jump(_ duration: Duration) {
        let woken = state.withLock { state in
            state.now += duration
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    private func wait(until time: Duration) async throws {
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                var watching: [CheckedContinuation<Void, Never>] = []
                let isOver = state.withLock { state in
                    if Task.isCancelled || state.now >= time { return true }
                    state.sleepers[id] = (time, continuation)
                    swap(&watching, &state.watching)
                    return false
                }
                for watcher in watching { watcher.resume() }
                if isOver { continuation.resume() }
            }
            try Task.checkCancellation()
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id)?.continuation }?.resume()
        }
    }
}
