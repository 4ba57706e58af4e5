import Synchronization

/// A number that several threads change, and the most it has been.
final class Tally: Sendable {
    private let number = Atomic<Int>(0)
    private let highest = Atomic<Int>(0)

    func add(_ amount: Int) {
        highest.max(number.add(amount, ordering: .sequentiallyConsistent).newValue, ordering: .relaxed)
    }

    var value: Int { number.load(ordering: .relaxed) }
    var most: Int { highest.load(ordering: .relaxed) }
}
