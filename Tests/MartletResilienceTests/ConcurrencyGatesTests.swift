import MartletFilter
import Synchronization
import Testing

@testable import MartletResilience

@Suite("Concurrency gates")
struct ConcurrencyGatesTests {
    /// Remembers what it is told.
    private final class Told: Sendable {
        private let numbers = Mutex<[UInt64]>([])
        var all: [UInt64] { numbers.withLock { $0 } }
        func sender() -> Sender<UInt64> {
            Sender { number in
                self.numbers.withLock { $0.append(number) }
                return true
            }
        }
    }

    private func waiter(_ told: Told, _ number: UInt64) -> ConcurrencyGates.Waiter {
        ConcurrencyGates.Waiter(sender: told.sender(), number: number)
    }

    @Test("Places, then the queue, then no more; who waits longest is next")
    func order() {
        let gates = ConcurrencyGates(max: 2, maxQueued: 2, isShared: true)
        let told = Told()
        #expect(gates.enter(1, as: waiter(told, 1)) == .entered)
        #expect(gates.enter(1, as: waiter(told, 2)) == .entered)
        #expect(gates.enter(1, as: waiter(told, 3)) == .queued(1))
        #expect(gates.enter(1, as: waiter(told, 4)) == .queued(2))
        #expect(gates.enter(1, as: waiter(told, 5)) == .full)
        // Another key has its own.
        #expect(gates.enter(2, as: waiter(told, 6)) == .entered)
        gates.leave(1)
        #expect(told.all == [3])
        #expect(gates.counts(1) == (2, 1))
        // The place has gone to the one that waited: nobody overtakes.
        #expect(gates.enter(1, as: waiter(told, 7)) == .queued(3))
        gates.leave(1)
        gates.leave(1)
        #expect(told.all == [3, 4, 7])
        for _ in 0..<2 { gates.leave(1) }
        gates.leave(2)
        #expect(gates.keys == 0)
        gates.leave(1)
        #expect(gates.keys == 0)
    }

    @Test("Who leaves the queue is not asked; who leaves too late has a place to give back")
    func withdrawing() {
        let gates = ConcurrencyGates(max: 1, maxQueued: 10, isShared: false)
        let told = Told()
        #expect(gates.enter(1, as: waiter(told, 1)) == .entered)
        for number in 2...4 as ClosedRange<UInt64> {
            #expect(gates.enter(1, as: waiter(told, number)) == .queued(number - 1))
        }
        #expect(gates.withdraw(1, 1))
        #expect(!gates.withdraw(1, 1))
        gates.leave(1)
        #expect(told.all == [3])
        #expect(!gates.withdraw(1, 2))
        gates.leave(1)
        #expect(told.all == [3, 4])
        gates.leave(1)
        #expect(gates.keys == 0)
    }

    @Test("A waiter whose worker has ended is passed over")
    func ended() {
        let gates = ConcurrencyGates(max: 1, maxQueued: 10, isShared: true)
        let told = Told()
        let dead = Sender<UInt64> { _ in false }
        #expect(gates.enter(1, as: waiter(told, 1)) == .entered)
        #expect(gates.enter(1, as: .init(sender: dead, number: 2)) == .queued(1))
        #expect(gates.enter(1, as: waiter(told, 3)) == .queued(2))
        gates.leave(1)
        #expect(told.all == [3])
        gates.leave(1)
        #expect(gates.keys == 0)
    }

    @Test("Exact over threads: never more inside than may be, and none is lost")
    func threads() async {
        let gates = ConcurrencyGates(max: 7, maxQueued: 0, isShared: true)
        let inside = Tally()
        let told = Told()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var held = 0
                    for step in 0..<20_000 {
                        if held < 3, gates.enter(5, as: self.waiter(told, 0)) == .entered {
                            held += 1
                            inside.add(1)
                        } else if held > 0, step % 2 == 0 {
                            held -= 1
                            inside.add(-1)
                            gates.leave(5)
                        }
                    }
                    for _ in 0..<held {
                        inside.add(-1)
                        gates.leave(5)
                    }
                }
            }
        }
        #expect(inside.most <= 7)
        #expect(gates.keys == 0)
    }
}

@Suite("A line that can be left")
struct WaitingLineTests {
    @Test("Against a list, a thousand times at random")
    func model() {
        var line = WaitingLine<Int>()
        var model: [(ticket: UInt64, value: Int)] = []
        var gone: [UInt64] = []
        var random = SystemRandomNumberGenerator()
        for step in 0..<20_000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1: model.append((line.append(step), step))
            case 2:
                let first = model.isEmpty ? nil : model.removeFirst()
                let popped = line.popFirst()
                #expect(popped == first?.value)
                if let first { gone.append(first.ticket) }
            default:
                if let index = model.indices.randomElement(using: &random) {
                    let ticket = model.remove(at: index).ticket
                    let left = line.remove(ticket)
                    #expect(left)
                    gone.append(ticket)
                }
            }
            if let ticket = gone.randomElement(using: &random) {
                let left = line.remove(ticket)
                #expect(!left)
            }
            #expect(line.count == model.count)
        }
        for ticket in [0, UInt64.max] {
            let left = line.remove(ticket)
            #expect(!left)
        }
    }

    @Test("Comers that leave at once take no memory, though the first stays")
    func memory() {
        var line = WaitingLine<Int>()
        _ = line.append(0)
        for value in 1...100_000 {
            let ticket = line.append(value)
            let left = line.remove(ticket)
            #expect(left)
            #expect(line.size <= 40)
        }
        let first = line.popFirst()
        #expect(first == 0)
    }
}
