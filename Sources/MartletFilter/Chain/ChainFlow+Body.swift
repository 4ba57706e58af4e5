internal import MartletCore

/// Pieces of a body on their way past the filters that look at them.
///
/// A filter may make many pieces of one: what it has left waits in `rests` until the receiver has room, so that a little
/// input that becomes much output is never in memory as a whole.
extension ChainFlow {
    struct Rest {
        /// In `bodies`: the filter that has more.
        let index: Int
        let isLast: Bool
    }

    func runBody(_ exchange: Exchange, _ chunk: BodyChunk, from start: Int) {
        let generation = exchange.generation
        passBody(exchange, chunk, from: start)
        runRests(exchange, generation)
    }

    /// Something waits for the receiver's room.
    package var hasRests: Bool { !rests.isEmpty }

    /// The receiver has room.
    package func goOn(_ exchange: Exchange) {
        guard !rests.isEmpty else { return }
        runRests(exchange, exchange.generation)
    }

    private func runRests(_ exchange: Exchange, _ generation: UInt64) {
        while !isItemHeld, !isHeadHeld || collection.isOpen, exchange.generation == generation, !isStopped {
            guard let rest = rests.last else { return runTrailersBehind(exchange) }
            // What is collected has its own limit.
            guard !isHeadPassed || exchange.host.hasRoom(direction, of: exchange) else { return }
            rests.removeLast()
            passBody(exchange, BodyChunk(restBefore: nothing, isLast: rest.isLast), from: rest.index)
        }
    }

    private func runTrailersBehind(_ exchange: Exchange) {
        guard let start = trailersBehind else { return }
        trailersBehind = nil
        itemCursor = start
        runTrailers(exchange)
    }

    private func passBody(_ exchange: Exchange, _ chunk: BodyChunk, from start: Int) {
        var chunk = chunk
        itemCursor = start
        while itemCursor < bodies.count {
            let entry = bodies[itemCursor]
            if !isHeadPassed && isBehindHolder(entry) { break }
            if !exchange.isDisabled(entry.position), isWanted(chunk, by: entry) {
                let isLast = chunk.isLast
                // Trailers tell these filters of the end.
                if trailersBehind != nil && !entry.wantsBodyEnd { chunk.isLast = false }
                running = .item
                let verdict = call(entry.filter, exchange, &chunk)
                running = nil
                chunk.isLast = isLast
                if chunk.hasRest {
                    rests.append(Rest(index: itemCursor, isLast: isLast))
                    chunk.isLast = false
                    chunk.hasRest = false
                }
                guard case .next = verdict else {
                    item = .body(chunk)
                    return settleItem(exchange, verdict)
                }
                if chunk.isSwallowed && !chunk.isLast { return }
            }
            itemCursor += 1
        }
        guard isHeadPassed else { return collect(exchange, chunk) }
        exchange.host.bodyPassed(
            direction, of: exchange, chunk.slice, ended: chunk.isLast && trailersBehind == nil)
    }

    /// The empty piece that marks an end is nothing to those who hear of it from the trailers.
    private func isWanted(_ chunk: BodyChunk, by entry: Chain.Entry) -> Bool {
        entry.wantsBodyEnd || trailersBehind == nil || !chunk.isLast || chunk.count > 0
    }

    func call(_ filter: any Filter, _ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        direction == .request ? filter.onRequestBody(exchange, &chunk) : filter.onResponseBody(exchange, &chunk)
    }
}
