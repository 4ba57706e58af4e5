internal import MartletControl
internal import MartletCore
internal import Synchronization

/// What a session is to look at next: a request, and of what is published for its proxy the newest.
///
/// Whoever brings something wakes the session itself, without a task or a buffer between: a change wakes a thousand of them at
/// once. There is room for one request: a client that asks faster than it reads waits.
final class SessionInbox<Request: Sendable>: Sendable {
    enum Input: Sendable {
        case request(Request)
        case publication(Publication)
        case resumed
        case ended
    }

    private struct State {
        var request: Request?
        var publication: Publication?
        var isResumed = false
        var isEnded = false
        /// The last one taken was a request: then what is published goes first, or a client could keep it out.
        var owesPublication = false
        /// Waits for something.
        var session: CheckedContinuation<Void, Never>?
        /// Waits for room.
        var reader: CheckedContinuation<Void, Never>?

        func has(onlyPublication: Bool) -> Bool {
            publication != nil || isEnded || (!onlyPublication && (request != nil || isResumed))
        }

        /// The end comes last: who asks and says at once that this was all is answered.
        mutating func take(onlyPublication: Bool) -> Input? {
            if let request, !onlyPublication, !owesPublication || publication == nil {
                self.request = nil
                owesPublication = true
                return .request(request)
            }
            if let publication {
                self.publication = nil
                owesPublication = false
                return .publication(publication)
            }
            if isResumed, !onlyPublication {
                isResumed = false
                return .resumed
            }
            return isEnded ? .ended : nil
        }
    }

    private let state = Locked(State())

    /// Somebody waits: for tests.
    var waiting: (session: Bool, reader: Bool) { state.withLock { ($0.session != nil, $0.reader != nil) } }

    // MARK: The session's side

    func next() async -> Input { await next(onlyPublication: false) }

    /// What its proxy is to have, once that is known; requests wait meanwhile. Nil: it has ended before.
    func firstPublication() async -> Publication? {
        guard case .publication(let publication) = await next(onlyPublication: true) else { return nil }
        return publication
    }

    private func next(onlyPublication: Bool) async -> Input {
        while true {
            let (input, reader) = state.withLock { state in
                let input = state.take(onlyPublication: onlyPublication)
                return (input, state.request == nil ? state.reader.take() : nil)
            }
            reader?.resume()
            if let input { return input }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    // What has come since must not be slept through.
                    let isFull = state.withLock { state in
                        if state.has(onlyPublication: onlyPublication) { return true }
                        state.session = continuation
                        return false
                    }
                    if isFull { continuation.resume() }
                }
            } onCancel: {
                end()
            }
        }
    }

    // MARK: The others' side

    /// Returns when the next one may be read.
    func send(_ request: Request) async {
        let session = state.withLock { state in
            state.request = request
            return state.session.take()
        }
        session?.resume()
        await withCheckedContinuation { continuation in
            let hasRoom = state.withLock { state in
                if state.request == nil || state.isEnded { return true }
                state.reader = continuation
                return false
            }
            if hasRoom { continuation.resume() }
        }
    }

    /// In place of one that has not been looked at.
    func put(_ publication: Publication) { change { $0.publication = publication } }

    func resume() { change { $0.isResumed = true } }

    /// Whatever waits here goes on, and there is nothing more.
    func end() {
        change { $0.isEnded = true }
        state.withLock { $0.reader.take() }?.resume()
    }

    private func change(_ body: (inout State) -> Void) {
        let session = state.withLock { state in
            body(&state)
            return state.session.take()
        }
        session?.resume()
    }
}
