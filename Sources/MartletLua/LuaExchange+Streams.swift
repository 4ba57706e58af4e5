internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The pieces of a streamed call, between the worker that reads them and the script that takes them.
final class LuaCallStream {
    enum Awaited {
        case head, piece, room
    }

    fileprivate var carrier: CallStream?
    /// The run of which side it belongs to.
    fileprivate let responds: Bool
    /// What that run waits for.
    fileprivate var awaited: Awaited?
    fileprivate var hasHead = false
    fileprivate var hasEnded = false
    fileprivate var isBroken = false
    private var pieces: [ByteSlice] = []
    private var kept = 0
    private var isPaused = false
    /// The piece that the script looks at.
    fileprivate(set) var piece: ByteSlice?

    /// Bytes that wait for the script before upstream is stopped; less than half of it starts it again.
    private static let limit = 65_536

    init(responds: Bool) { self.responds = responds }

    fileprivate func keep(_ slice: ByteSlice) {
        pieces.append(slice)
        kept += slice.count
        guard kept >= Self.limit, !isPaused else { return }
        isPaused = true
        carrier?.pause()
    }

    fileprivate func takePiece() -> Bool {
        guard !pieces.isEmpty else {
            piece = nil
            return false
        }
        let next = pieces.removeFirst()
        piece = next
        kept -= next.count
        if isPaused, kept < Self.limit / 2 {
            isPaused = false
            carrier?.resume()
        }
        return true
    }

    fileprivate func cancel() {
        awaited = nil
        carrier?.cancel()
        carrier = nil
        pieces = []
        piece = nil
    }
}

/// `httpCall` with `stream`: the bodies of a call pass in pieces, and who is slow slows the other.
extension LuaExchange {
    /// The call's number.
    func openStream(_ request: CallRequest) -> Int32 {
        let stream = LuaCallStream(responds: isResponding)
        let call = LuaCall(stream)
        calls.append(call)
        let events: (CallEvent) -> Void = { [self] in heard($0, call, stream) }
        if let exchange, !isLogging {
            stream.carrier = exchange.stream(request, events)
        } else {
            stream.carrier = vm.context.stream(request, events)
        }
        return Int32(calls.count - 1)
    }

    private func heard(_ event: CallEvent, _ call: LuaCall, _ stream: LuaCallStream) {
        let isAwaited: Bool
        switch event {
        case .head(let head):
            call.begin(head)
            stream.hasHead = true
            isAwaited = stream.awaited == .head
        case .body(let slice):
            stream.keep(slice)
            isAwaited = stream.awaited == .piece
        case .ended:
            stream.hasEnded = true
            call.isOver = true
            isAwaited = stream.awaited != nil
        case .failed(let failure):
            if stream.hasHead {
                stream.isBroken = true
            } else {
                call.end(.failure(failure))
                stream.hasHead = true
                stream.keep(ByteSlice(copying: call.body))
            }
            stream.hasEnded = true
            call.isOver = true
            isAwaited = stream.awaited != nil
        case .writable: isAwaited = stream.awaited == .room
        }
        guard isAwaited else { return }
        stream.awaited = nil
        woken(responds: stream.responds)
    }

    private func stream(_ call: Int32) -> LuaCallStream? {
        calls.indices.contains(Int(call)) ? calls[Int(call)].stream : nil
    }

    private func wait(for what: LuaCallStream.Awaited, _ stream: LuaCallStream) -> Int32 {
        stream.awaited = what
        return wait(for: .calls)
    }

    /// A piece of the call's request body.
    func writeStream(_ call: Int32, _ bytes: Span<UInt8>) -> Int32 {
        // The answer is there, or will not come: nobody reads on.
        guard let stream = stream(call), !stream.hasEnded, let carrier = stream.carrier else {
            return Int32(MRT_CODE_NOTHING)
        }
        carrier.send(bytes)
        return carrier.isFull ? wait(for: .room, stream) : Int32(MRT_CODE_OK)
    }

    /// The request is whole; waits for the head of the answer.
    func beginStreamHead(_ call: Int32) -> Int32 {
        guard let stream = stream(call) else { return Int32(MRT_CODE_NOTHING) }
        stream.carrier?.endRequest()
        return stream.hasHead ? Int32(MRT_CODE_OK) : wait(for: .head, stream)
    }

    /// The next piece of the answer's body becomes the call's part.
    func beginStreamPiece(_ call: Int32) -> Int32 {
        guard let stream = stream(call) else { return Int32(MRT_CODE_NOTHING) }
        if stream.takePiece() { return Int32(MRT_CODE_OK) }
        if stream.isBroken { return Int32(MRT_CODE_CALL_BROKEN) }
        if stream.hasEnded || stream.carrier == nil { return Int32(MRT_CODE_NOTHING) }
        return wait(for: .piece, stream)
    }

    /// A run is over, and what it has not read of its calls nobody will.
    func endStreams(ofResponse responds: Bool? = nil) {
        for call in calls {
            guard let stream = call.stream, responds == nil || stream.responds == responds else { continue }
            stream.cancel()
            call.isOver = true
        }
    }
}
