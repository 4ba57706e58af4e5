package import MartletCore

/// Hears that a timer of its fired. `tag` is what it armed the timer with.
package protocol TimerTarget: AnyObject {
    func timerFired(_ tag: UInt8)
}

/// Names an armed timer. Stale names are harmless: cancelling one does nothing.
package struct TimerID: Equatable {
    fileprivate let index: Int32
    fileprivate let generation: UInt32
}

/// A hierarchical timing wheel: arming and cancelling are O(1), advancing costs what fires plus a few words.
///
/// Six levels of 64 slots over ticks of one millisecond. A timer sits in the level of the highest bit in which its
/// deadline differs from now; when time reaches its slot it fires or moves down a level. A timer never fires early.
package struct TimerWheel {
    private static let levels = 6
    private static let slotBits: UInt64 = 6
    // One slot less than a turn of the last level, or a timer could land in the slot that time stands in.
    private static let maxTicks: UInt64 = 63 << 30

    private struct Node {
        var next: Int32
        var previous: Int32
        /// Level * 64 + slot, or -1 when free.
        var list: Int32
        var generation: UInt32
        var tick: UInt64
        var tag: UInt8
        var target: (any TimerTarget)?
    }

    private var nodes: [Node] = []
    private var freeHead: Int32 = -1
    private var lists = [Int32](repeating: -1, count: levels * 64)
    private var occupied = [UInt64](repeating: 0, count: levels)
    /// Ticks up to here have been handled.
    private var elapsed: UInt64
    private let origin: Instant
    package private(set) var count = 0
    /// What `findNext` found, until a timer comes or goes: it is asked for twice a turn.
    private var next: (list: Int, tick: UInt64)?
    private var isNextKnown = false

    package init(now: Instant) {
        origin = now
        elapsed = 0
    }

    private func tick(of instant: Instant, roundingUp: Bool) -> UInt64 {
        let span = (instant - origin).rawValue
        return roundingUp ? (span / 1_000_000) + (span % 1_000_000 == 0 ? 0 : 1) : span / 1_000_000
    }

    /// - Complexity: O(1).
    package mutating func arm(at deadline: Instant, _ target: any TimerTarget, tag: UInt8) -> TimerID {
        // Beyond the wheel's 2 years a timer waits at its far end and is armed anew there.
        let when = min(max(tick(of: deadline, roundingUp: true), elapsed + 1), elapsed + Self.maxTicks)
        let index: Int32
        if freeHead >= 0 {
            index = freeHead
            freeHead = nodes[Int(index)].next
        } else {
            index = Int32(nodes.count)
            nodes.append(Node(next: -1, previous: -1, list: -1, generation: 0, tick: 0, tag: 0, target: nil))
        }
        nodes[Int(index)].tick = when
        nodes[Int(index)].tag = tag
        nodes[Int(index)].target = target
        link(index)
        count += 1
        return TimerID(index: index, generation: nodes[Int(index)].generation)
    }

    /// - Complexity: O(1).
    package mutating func cancel(_ id: TimerID) {
        let index = Int(id.index)
        guard index < nodes.count, nodes[index].generation == id.generation, nodes[index].list >= 0 else { return }
        unlink(id.index)
        free(id.index)
    }

    private mutating func free(_ index: Int32) {
        nodes[Int(index)].generation &+= 1
        nodes[Int(index)].target = nil
        nodes[Int(index)].next = freeHead
        freeHead = index
        count -= 1
    }

    private mutating func link(_ index: Int32) {
        isNextKnown = false
        let when = nodes[Int(index)].tick
        let differing = (elapsed ^ when) | 63
        let level = min(Int((63 - UInt64(differing.leadingZeroBitCount)) / Self.slotBits), Self.levels - 1)
        let slot = Int((when >> (UInt64(level) * Self.slotBits)) & 63)
        let list = level * 64 + slot
        let head = lists[list]
        nodes[Int(index)].list = Int32(list)
        nodes[Int(index)].previous = -1
        nodes[Int(index)].next = head
        if head >= 0 { nodes[Int(head)].previous = index }
        lists[list] = index
        occupied[level] |= 1 << UInt64(slot)
    }

    private mutating func unlink(_ index: Int32) {
        isNextKnown = false
        let node = nodes[Int(index)]
        if node.previous >= 0 {
            nodes[Int(node.previous)].next = node.next
        } else {
            lists[Int(node.list)] = node.next
            if node.next < 0 { occupied[Int(node.list) / 64] &= ~(1 << UInt64(node.list % 64)) }
        }
        if node.next >= 0 { nodes[Int(node.next)].previous = node.previous }
        nodes[Int(index)].list = -1
    }

    /// The first slot that time will reach: its list and the tick at which it begins. All levels are looked at: while a
    /// slot of a higher one is being moved down, what is left in it may be due before what has been moved.
    private func findNext() -> (list: Int, tick: UInt64)? {
        var first: (list: Int, tick: UInt64)?
        for level in 0..<Self.levels where occupied[level] != 0 {
            let shift = UInt64(level) * Self.slotBits
            let now = Int((elapsed >> shift) & 63)
            let bits = occupied[level]
            let rotated = now == 0 ? bits : (bits >> UInt64(now)) | (bits << UInt64(64 - now))
            let slot = (rotated.trailingZeroBitCount + now) & 63
            let span: UInt64 = 1 << (shift + Self.slotBits)
            let base = elapsed & ~(span - 1)
            var begins = base + (UInt64(slot) << shift)
            // A slot behind the present one belongs to the level's next turn.
            if begins <= elapsed && slot != now { begins += span }
            if begins < elapsed { begins = elapsed }
            if let known = first, known.tick <= begins { continue }
            first = (level * 64 + slot, begins)
        }
        return first
    }

    private mutating func nextSlot() -> (list: Int, tick: UInt64)? {
        if !isNextKnown {
            next = findNext()
            isNextKnown = true
        }
        return next
    }

    /// When something may have to be done next; `never` without a timer.
    package var nextDeadline: Instant {
        mutating get {
            guard let next = nextSlot() else { return .never }
            return origin + .milliseconds(next.tick)
        }
    }

    /// Takes one timer that is due at `now`, or nil. Call until nil: firing may arm and cancel others.
    package mutating func takeDue(now: Instant) -> (target: any TimerTarget, tag: UInt8)? {
        let present = tick(of: now, roundingUp: false)
        while let next = nextSlot() {
            guard next.tick <= present else { break }
            elapsed = max(elapsed, next.tick)
            let index = lists[next.list]
            guard index >= 0 else { return nil }
            unlink(index)
            if nodes[Int(index)].tick <= elapsed {
                let tag = nodes[Int(index)].tag
                let target = nodes[Int(index)].target
                free(index)
                if let target { return (target, tag) }
            } else {
                link(index)
            }
        }
        elapsed = max(elapsed, present)
        return nil
    }
}
