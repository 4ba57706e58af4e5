internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// A fixed number of 64-bit words that any thread reads and changes. All are zero at first; memory nobody has written to
/// is not taken from the system.
///
/// `@unchecked Sendable`: the pointer never changes, and the words are reached through atomics only.
@safe package final class AtomicWords: @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    package let count: Int

    /// Nil: there is no memory for so many.
    package init?(count: Int) {
        self.count = count
        guard let memory = unsafe calloc(max(count, 1), MemoryLayout<UInt64>.stride) else { return nil }
        // An atomic word is its bits and nothing else: zeroed memory is `count` of them that hold zero.
        unsafe words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: max(count, 1))
    }

    deinit { unsafe free(words) }

    /// What was written before the value that this reads was stored is seen.
    package func load(_ index: Int) -> UInt64 {
        precondition(index >= 0 && index < count)
        return unsafe words[index].load(ordering: .acquiring)
    }

    package func store(_ index: Int, _ value: UInt64) {
        precondition(index >= 0 && index < count)
        unsafe words[index].store(value, ordering: .releasing)
    }

    /// Puts `value` in the place of `expected`; false when another value stands there.
    package func replace(_ index: Int, _ expected: UInt64, with value: UInt64) -> Bool {
        precondition(index >= 0 && index < count)
        return unsafe words[index].compareExchange(
            expected: expected, desired: value, ordering: .acquiringAndReleasing
        ).exchanged
    }
}
