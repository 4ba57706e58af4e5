internal import CLinux
package import MartletCore

/// Hears of readiness. Called on the loop's thread only.
protocol EventSource: AnyObject {
    func eventsReady(_ flags: UInt32)
    /// Asked for with `EventLoop.runAgain`: more to do than one turn allows.
    func runAgain()
    /// The loop has ended: nothing more will happen. To close, and to let go of who listens.
    func close()
}

/// Makes output as late as it can: what a whole turn has come to goes out together.
package protocol OutputProducer: AnyObject {
    /// The turn is over: what is to be sent goes to the socket now. May be asked again in the same turn.
    func produceOutput()
}

/// One thread's loop: waits for ready sockets and due timers, and writes each socket once at the end of a turn.
///
/// A turn is: poll; events; sources that had more to do last turn; timers; flush. Nothing in it blocks except the poll.
/// Not Sendable: everything registered here lives and dies on this thread. Other threads reach it through a `Mailbox`.
package final class EventLoop {
    private struct Slot {
        var source: (any EventSource)?
        var generation: UInt32 = 0
        /// Of a `StreamSocket`, while the loop passes on its bytes.
        var forward: FastForward?
    }

    private let epoll: Int32
    /// Ends the poll when a timer is due, where polls follow one another: with a timeout the clock is read for each, by us and twice by
    /// the kernel. It is set anew when a timer is due sooner than it was set to.
    private let alarm: Int32
    private var alarmAt = Instant.never
    /// The last poll brought something.
    private var isBusy = false
    /// No slot has it.
    private static let alarmToken = UInt64.max
    // Indexed by the low half of an event's token; the high half is the generation, so that an event of a descriptor
    // closed earlier in the same batch is told from one of the descriptor that took its number.
    private var slots: [Slot] = []
    private var freeSlots: [Int32] = []
    private var events = [mrt_event](repeating: mrt_event(), count: 256)

    /// The time this turn began; a system clock read a turn, not a request.
    package private(set) var now: Instant
    private var timers: TimerWheel
    package let buffers = BufferPool()
    package let pipes = SplicePipes()
    private let passing = ByteBuffer(capacity: EventLoop.forwardLimit)
    /// The most that is forwarded at once; what is larger pays for being looked at.
    static let forwardLimit = 16_384

    private var again: [any EventSource] = []
    private var againNext: [any EventSource] = []
    private var next: [any TimerTarget] = []
    private var nextNow: [any TimerTarget] = []
    private var producers: [any OutputProducer] = []
    private var dirty: [StreamSocket] = []
    private var flushing: [StreamSocket] = []
    private var isStopping = false
    package private(set) var turns: UInt64 = 0
    /// Called once a turn, before it polls.
    package var turnEnds: (() -> Void)?

    package init() throws(SystemError) {
        epoll = try SystemError.check("epoll_create1", mrt_epoll_create())
        do throws(SystemError) {
            alarm = try SystemError.check("timerfd_create", mrt_timer_create(epoll, Self.alarmToken))
        } catch {
            mrt_close(epoll)
            throw error
        }
        now = .now()
        timers = TimerWheel(now: now)
    }

    deinit {
        mrt_close(alarm)
        mrt_close(epoll)
    }

    // MARK: Running

    package func run() {
        while !isStopping { turn() }
        // Sources and timers' targets hold the loop: what is still open or armed at the end would keep all of them.
        for slot in slots.indices { slots[slot].source?.close() }
        timers = TimerWheel(now: now)
        again = []
        next = []
        producers = []
        turnEnds = nil
    }

    /// Makes `run` return at the end of this turn.
    package func stop() { isStopping = true }

    package func turn() {
        turnEnds?()
        let count = unsafe mrt_epoll_wait(epoll, &events, Int32(events.count), pollTimeout())
        now = .now()
        if alarmAt <= now { alarmAt = .never }
        isBusy = count > 0
        turns &+= 1
        var index = 0
        while index < Int(max(count, 0)) {
            let event = events[index]
            index += 1
            let slot = Int(event.token & 0xFFFF_FFFF)
            guard slot < slots.count, slots[slot].generation == UInt32(event.token >> 32) else {
                if event.token == Self.alarmToken {
                    alarmAt = .never
                    isBusy = count > 1
                }
                continue
            }
            if event.flags & Self.decisive == UInt32(MRT_READABLE), forward(slot) { continue }
            slots[slot].source?.eventsReady(event.flags)
        }
        if !again.isEmpty {
            swap(&again, &againNext)
            for source in againNext { source.runAgain() }
            againNext.removeAll(keepingCapacity: true)
        }
        if !next.isEmpty {
            swap(&next, &nextNow)
            for target in nextNow { target.timerFired(0) }
            nextNow.removeAll(keepingCapacity: true)
        }
        while let due = timers.takeDue(now: now) { due.target.timerFired(due.tag) }
        flush()
    }

    /// How long the poll may last, in milliseconds; -1: until an event, of which the alarm is one.
    private func pollTimeout() -> Int32 {
        guard again.isEmpty, next.isEmpty else { return 0 }
        let due = timers.nextDeadline
        guard due < alarmAt else { return -1 }
        // Where little happens a timeout is had for nothing, and the alarm would cost a system call for each timer.
        if isBusy, mrt_timer_set(alarm, due.nanoseconds) == 0 {
            alarmAt = due
            return -1
        }
        let wait = due - .now()
        return Int32(min(wait.rawValue / 1_000_000 + (wait.rawValue % 1_000_000 == 0 ? 0 : 1), 60_000))
    }

    private func flush() {
        // Flushing may let somebody produce more; that waits for the next round of this loop, but a socket is written once.
        while !dirty.isEmpty || !producers.isEmpty {
            while let producer = producers.popLast() { producer.produceOutput() }
            swap(&dirty, &flushing)
            // Taken out rather than looked at: moves references instead of counting them.
            while let socket = flushing.popLast() { socket.flush() }
        }
    }

    // MARK: Forwarding

    /// Of an event's flags: bytes pass unseen when of these there are only bytes to read.
    private static let decisive = UInt32(MRT_READABLE | MRT_PEER_CLOSED | MRT_HANGUP)

    /// False: the source is to hear of its event.
    @inline(__always)
    private func forward(_ slot: Int) -> Bool {
        guard let outcome = slots[slot].forward?.pass(through: passing, at: now) else { return false }
        switch outcome {
        case .passed: return true
        case .unfinished: return false
        case .stuck(let sent): stream(in: Int32(slot))?.forwardingStuck(passing, from: sent)
        case .refused(let code): stream(in: Int32(slot))?.forwardingRefused(passing, code)
        case .failed(let code): stream(in: Int32(slot))?.forwardingFailed(code)
        }
        return true
    }

    func beginForwarding(_ slot: Int32, _ forward: FastForward) { slots[Int(slot)].forward = forward }

    func endForwarding(_ slot: Int32) { slots[Int(slot)].forward = nil }

    func takeForwarded(_ slot: Int32) -> (bytes: UInt64, last: Instant)? {
        guard let bytes = slots[Int(slot)].forward?.takePassed(), let last = slots[Int(slot)].forward?.lastPassed else {
            return nil
        }
        return (bytes, last)
    }

    func stream(in slot: Int32) -> StreamSocket? { slots[Int(slot)].source as? StreamSocket }

    // MARK: Timers

    package func arm(at deadline: Instant, _ target: any TimerTarget, tag: UInt8) -> TimerID {
        timers.arm(at: deadline, target, tag: tag)
    }

    /// `target` fires in the next turn, which then does not block; sooner than the shortest timer.
    package func runNextTurn(_ target: any TimerTarget) { next.append(target) }

    package func cancel(_ timer: TimerID) { timers.cancel(timer) }

    package var armedTimers: Int { timers.count }

    // MARK: Sources

    enum Trigger { case edge, level }

    func register(_ descriptor: Int32, _ source: any EventSource, _ trigger: Trigger) throws(SystemError) -> Int32 {
        let slot: Int32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = Int32(slots.count)
            slots.append(Slot())
        }
        let token = UInt64(slots[Int(slot)].generation) << 32 | UInt64(UInt32(bitPattern: slot))
        let result =
            trigger == .edge
            ? mrt_epoll_add_edge(epoll, descriptor, token) : mrt_epoll_add_level(epoll, descriptor, token)
        guard result >= 0 else {
            freeSlots.append(slot)
            throw SystemError(call: "epoll_ctl", code: -result)
        }
        slots[Int(slot)].source = source
        return slot
    }

    /// Call before closing the descriptor.
    func deregister(_ slot: Int32, _ descriptor: Int32, isClosing: Bool) {
        guard slot >= 0, Int(slot) < slots.count else { return }
        // Closing the only descriptor of a socket takes it out of epoll by itself.
        if !isClosing { _ = mrt_epoll_remove(epoll, descriptor) }
        slots[Int(slot)].source = nil
        slots[Int(slot)].forward = nil
        slots[Int(slot)].generation &+= 1
        freeSlots.append(slot)
    }

    /// The source gets another go in the next turn, which then does not block.
    func runAgain(_ source: any EventSource) { again.append(source) }

    /// `producer` has output for the end of this turn. Once until it is asked.
    package func hasOutput(_ producer: any OutputProducer) { producers.append(producer) }

    func needsFlush(_ socket: StreamSocket) { dirty.append(socket) }

    package var openSources: Int { slots.count - freeSlots.count }
}

extension EventLoop {
    /// Calls `body` on this loop whenever something was posted.
    package func attach<Message>(_ mailbox: Mailbox<Message>, _ body: @escaping () -> Void) throws(SystemError)
        -> LevelSource
    {
        try LevelSource(loop: self, descriptor: mailbox.descriptor, ownsDescriptor: false, body)
    }
}

/// A descriptor that only ever becomes readable: a wake-up, signals, file changes.
package final class LevelSource: EventSource {
    private let loop: EventLoop
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private var slot: Int32 = -1
    private var body: (() -> Void)?

    init(loop: EventLoop, descriptor: Int32, ownsDescriptor: Bool, _ body: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
        self.body = body
        slot = try loop.register(descriptor, self, .level)
    }

    func eventsReady(_ flags: UInt32) { body?() }
    func runAgain() {}

    package func close() {
        guard body != nil else { return }
        body = nil
        loop.deregister(slot, descriptor, isClosing: ownsDescriptor)
        if ownsDescriptor { mrt_close(descriptor) }
    }
}
