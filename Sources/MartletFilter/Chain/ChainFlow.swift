internal import MartletCore
internal import MartletHTTP

/// One direction of an exchange on its way through the chain: a head, then pieces of body, then maybe trailers.
///
///     head ──▶ running ──all said next──▶ passed ── body, trailers stream behind it ──▶ done
///               │  ▲
///              wait resume      While a head is held its filter may have the body collected behind it; filters
///               ▼  │            before it in the chain still see each piece as it comes.
///              held
///
/// Besides the head, at most one item (a piece of body, or the trailers) is in the flow; while one is held, or the head is
/// held without collecting, `acceptsMore` is false and the source must pause.
package final class ChainFlow {
    enum Item {
        case none, trailers
        case body(BodyChunk)
    }
    enum Held: UInt8 { case head, item }

    let direction: Direction
    private var heads: [Chain.Entry] = []
    private(set) var bodies: [Chain.Entry] = []
    /// Some filter wants to see where a body ends.
    private var hasEndWatchers = false
    private var trailerHooks: [Chain.Entry] = []

    /// Index in `heads` of the filter that runs or holds the head.
    var headCursor = 0
    private(set) var isHeadHeld = false
    package private(set) var isHeadPassed = false
    var headEnds = false

    var item = Item.none
    var itemCursor = 0
    private(set) var isItemHeld = false
    /// What filters have yet to put in the place of the chunk they got, innermost last.
    var rests: [Rest] = []
    /// Where in `trailerHooks` the trailers go on that follow the body's last piece, which is in the flow now.
    var trailersBehind: Int?
    /// A filter behind the one that had the body collected will replace pieces of it.
    var bodyLengthChanges = false
    /// No bytes, for chunks that stand for something else.
    let nothing = ByteSlice(copying: [])

    // Tell a `Resumption` of this wait from one of an earlier wait.
    private var headWaitID: UInt64 = 0
    private var itemWaitID: UInt64 = 0
    /// Which hook is on the stack: a resume of it that arrives now is kept until it returns.
    var running: Held?
    private var earlyVerdict: Verdict?
    /// About the head, while a piece of what is collected behind it is held by a filter before.
    private var lateVerdict: Verdict?

    /// Nothing runs any more.
    private(set) var isStopped = true
    /// What the source still sends is dropped: a reply took its place.
    package internal(set) var ignoresSource = true

    var collection = BodyCollection()

    init(_ direction: Direction) { self.direction = direction }

    // MARK: Life

    func use(heads: [Chain.Entry], bodies: [Chain.Entry], trailers: [Chain.Entry]) {
        self.heads = heads
        self.bodies = bodies
        hasEndWatchers = bodies.contains(where: \.wantsBodyEnd)
        trailerHooks = trailers
    }

    func start() {
        headCursor = 0
        isHeadHeld = false
        isHeadPassed = false
        headEnds = false
        if isItemHeld { item = .none }
        isItemHeld = false
        running = nil
        if earlyVerdict != nil { earlyVerdict = nil }
        if lateVerdict != nil { lateVerdict = nil }
        isStopped = false
        ignoresSource = false
        bodyLengthChanges = false
        forgetRests()
        collection.reset()
    }

    func stop() {
        isStopped = true
        ignoresSource = true
        releaseHeld()
    }

    func releaseHeld() {
        isHeadHeld = false
        if isItemHeld { item = .none }
        isItemHeld = false
        headWaitID &+= 1
        itemWaitID &+= 1
        if earlyVerdict != nil { earlyVerdict = nil }
        if lateVerdict != nil { lateVerdict = nil }
        forgetRests()
    }

    private func forgetRests() {
        if !rests.isEmpty { rests.removeAll() }
        trailersBehind = nil
    }

    /// The source may hand over its next item.
    package var acceptsMore: Bool {
        if ignoresSource { return true }
        if isItemHeld || !rests.isEmpty { return false }
        return !isHeadHeld || collection.isOpen
    }

    // MARK: The source's events

    /// - Parameter ended: neither body nor trailers follow.
    package func headReceived(_ exchange: Exchange, ended: Bool) {
        guard !ignoresSource else { return }
        headEnds = ended
        runHead(exchange)
    }

    package func bodyReceived(_ exchange: Exchange, _ chunk: BodyChunk) {
        guard !ignoresSource else { return }
        // Nobody looks at bodies: the common case, kept free of copies of the chunk.
        if bodies.isEmpty && !collection.isOpen {
            return exchange.host.bodyPassed(direction, of: exchange, chunk.slice, ended: chunk.isLast)
        }
        runBody(exchange, chunk, from: 0)
    }

    /// The trailers are in the exchange; nothing follows them.
    package func trailersReceived(_ exchange: Exchange) {
        guard !ignoresSource else { return }
        sendTrailers(exchange, from: 0)
    }

    /// Trailers, behind a last piece of body for those who want to add one.
    private func sendTrailers(_ exchange: Exchange, from start: Int, bodyFrom bodyStart: Int = 0) {
        guard hasEndWatchers else {
            itemCursor = start
            return runTrailers(exchange)
        }
        trailersBehind = start
        runBody(exchange, BodyChunk(nothing, isLast: true), from: bodyStart)
    }

    // MARK: Collecting

    /// The filter holding the head comes before this one for the items of this direction.
    func isBehindHolder(_ entry: Chain.Entry) -> Bool {
        guard collection.isOpen || collection.isComplete, headCursor < heads.count else { return false }
        let holder = heads[headCursor].position
        return direction == .request ? entry.position >= holder : entry.position <= holder
    }

    func collect(_ exchange: Exchange, _ chunk: BodyChunk) {
        guard collection.append(chunk) else {
            exchange.flags.insert(.overloadManager)
            let reply: Reply =
                direction == .request
                ? .refusal(413, "request-body-too-large") : .refusal(500, "response-body-too-large")
            return begin(reply, exchange)
        }
        if chunk.isLast && trailersBehind == nil {
            collectionEnded(exchange)
        } else if !chunk.isLast && collection.isFull {
            collectionEnded(exchange, isPartial: true)
        }
    }

    private func collectionEnded(_ exchange: Exchange, isPartial: Bool = false) {
        collection.isOpen = false
        collection.isComplete = true
        collection.isFresh = true
        collection.isPartial = isPartial
        guard isHeadHeld, headCursor < heads.count else { return }
        let filter = heads[headCursor].filter
        var chunk = BodyChunk(ByteSlice(copying: collection.bytes), isLast: !isPartial)
        running = .head
        let verdict = call(filter, exchange, &chunk)
        running = nil
        if chunk.isReplaced { collection.bytes = chunk.slice.array() }
        settleHead(exchange, verdict)
    }

    // MARK: Running

    func runHead(_ exchange: Exchange) {
        while headCursor < heads.count {
            let entry = heads[headCursor]
            if !exchange.isDisabled(entry.position) {
                running = .head
                let verdict =
                    direction == .request
                    ? entry.filter.onRequestHead(exchange) : entry.filter.onResponseHead(exchange)
                running = nil
                guard case .next = verdict else { return settleHead(exchange, verdict) }
                // Asked for and not waited for: what comes is not for the next filter that holds the head.
                if collection.isOpen { collection.close() }
            }
            headCursor += 1
        }
        passHead(exchange)
    }

    private func passHead(_ exchange: Exchange) {
        isHeadPassed = true
        let generation = exchange.generation
        guard collection.isComplete else {
            return exchange.host.headPassed(direction, of: exchange, ended: headEnds)
        }
        let body = collection.bytes
        let hasTrailers = collection.hasTrailers
        let isPartial = collection.isPartial
        if !isPartial {
            // The length is known now, whatever it was announced as or edited to.
            let length: BodyLength = hasTrailers || bodyLengthChanges ? .chunked : .exactly(UInt64(body.count))
            if direction == .request { exchange.request.body = length } else { exchange.response.body = length }
        }
        // Of an empty body, too, a filter may make something.
        let hasBody = !body.isEmpty || (!hasTrailers && bodyLengthChanges && hasEndWatchers)
        exchange.host.headPassed(direction, of: exchange, ended: !hasBody && !hasTrailers)
        guard exchange.generation == generation, !isStopped else { return }
        // What was collected follows the head as one piece, past the filters that have not seen it.
        if hasBody {
            if hasTrailers { trailersBehind = collection.seenTrailers }
            runBody(exchange, BodyChunk(ByteSlice(copying: body), isLast: !isPartial), from: collection.seenBodies)
        } else if hasTrailers {
            sendTrailers(exchange, from: collection.seenTrailers, bodyFrom: collection.seenBodies)
        }
    }

    func runTrailers(_ exchange: Exchange) {
        let trailers = direction == .request ? exchange.requestTrailers : exchange.responseTrailers
        while itemCursor < trailerHooks.count {
            let entry = trailerHooks[itemCursor]
            if !isHeadPassed && isBehindHolder(entry) { break }
            if !exchange.isDisabled(entry.position) {
                running = .item
                let verdict =
                    direction == .request
                    ? entry.filter.onRequestTrailers(exchange, trailers)
                    : entry.filter.onResponseTrailers(exchange, trailers)
                running = nil
                guard case .next = verdict else {
                    item = .trailers
                    return settleItem(exchange, verdict)
                }
            }
            itemCursor += 1
        }
        guard isHeadPassed else {
            collection.hasTrailers = true
            return collectionEnded(exchange)
        }
        exchange.host.trailersPassed(direction, of: exchange)
    }

    // MARK: Verdicts

    /// The filter at the head cursor has decided about the head.
    private func settleHead(_ exchange: Exchange, _ verdict: Verdict) {
        switch taken(verdict) {
        case .wait:
            isHeadHeld = true
            guard collection.isOpen else { return }
            let generation = exchange.generation
            // What an earlier filter had collected in part comes first.
            if let carried = collection.takeCarried() {
                runBody(exchange, BodyChunk(carried, isLast: false), from: collection.seenBodies)
            }
            reopen(exchange, generation)
        case .next:
            isHeadHeld = false
            headWaitID &+= 1
            if collection.isOpen { collection.close() }
            // Filters between the one it was collected for and a later one that waits have yet to see it.
            if collection.isFresh {
                rememberWhoSawTheBody()
                bodyLengthChanges = false
            }
            headCursor += 1
            let generation = exchange.generation
            runHead(exchange)
            reopen(exchange, generation)
        case .reply(let reply): begin(reply, exchange)
        case .reset(let reason): reset(exchange, reason)
        }
    }

    /// The filter at the item cursor has decided about the piece of body or the trailers.
    func settleItem(_ exchange: Exchange, _ verdict: Verdict) {
        switch taken(verdict) {
        case .wait: isItemHeld = true
        case .next:
            let released = item
            item = .none
            isItemHeld = false
            itemWaitID &+= 1
            let generation = exchange.generation
            switch released {
            case .none: return
            case .body(let chunk):
                runBody(exchange, chunk, from: itemCursor + 1)
            case .trailers:
                itemCursor += 1
                runTrailers(exchange)
            }
            guard exchange.generation == generation else { return }
            if !isItemHeld, let verdict = lateVerdict.take(), isHeadHeld { return settleHead(exchange, verdict) }
            reopen(exchange, generation)
        case .reply(let reply):
            item = .none
            begin(reply, exchange)
        case .reset(let reason):
            item = .none
            reset(exchange, reason)
        }
    }

    private func taken(_ verdict: Verdict) -> Verdict {
        defer { earlyVerdict = nil }
        if case .wait = verdict, let earlyVerdict { return earlyVerdict }
        return verdict
    }

    func rememberWhoSawTheBody() {
        collection.isFresh = false
        collection.seenBodies = bodies.firstIndex { isPastHolder($0) } ?? bodies.count
        collection.seenTrailers = trailerHooks.firstIndex { isPastHolder($0) } ?? trailerHooks.count
    }

    private func isPastHolder(_ entry: Chain.Entry) -> Bool {
        let holder = heads[headCursor].position
        return direction == .request ? entry.position > holder : entry.position < holder
    }

    private func reopen(_ exchange: Exchange, _ generation: UInt64) {
        guard exchange.generation == generation, !isStopped, acceptsMore else { return }
        exchange.host.flowOpened(direction, of: exchange)
    }

    private func begin(_ reply: Reply, _ exchange: Exchange) {
        switch direction {
        case .request where !exchange.responseFlow.hasBegun: exchange.begin(reply)
        case .response where !isHeadPassed: exchange.replaceResponse(with: reply)
        // The response is already on its way; a second one cannot follow it.
        case .request, .response: reset(exchange, .filter)
        }
    }

    private func reset(_ exchange: Exchange, _ reason: ResetReason) {
        stop()
        exchange.host.resetByFilter(exchange, reason)
    }

    /// A head entered this flow.
    package var hasBegun: Bool { isHeadPassed || isHeadHeld || headCursor > 0 || collection.isComplete }

    /// Of the request's flow: the head has come to the filter of this place, if it looks at heads.
    func hasReached(_ position: Int) -> Bool { headCursor >= heads.count || heads[headCursor].position >= position }

    // MARK: Waiting

    /// For the hook that runs now and is about to answer `.wait`.
    func resumption(of exchange: Exchange) -> Resumption {
        let what = running ?? .head
        return Resumption(
            exchange: exchange, direction: direction, held: what, generation: exchange.generation,
            waitID: what == .head ? headWaitID : itemWaitID)
    }

    func resume(_ exchange: Exchange, _ what: Held, waitID: UInt64, _ verdict: Verdict) {
        guard !isStopped, waitID == (what == .head ? headWaitID : itemWaitID) else { return }
        if running == what {
            earlyVerdict = verdict
        } else if what == .head, isHeadHeld {
            // What was collected comes before the piece that is held, and cannot pass it.
            if isItemHeld, collection.isOpen { lateVerdict = verdict } else { settleHead(exchange, verdict) }
        } else if what == .item, isItemHeld {
            settleItem(exchange, verdict)
        }
    }
}
