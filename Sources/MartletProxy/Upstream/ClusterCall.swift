internal import MartletCore
internal import MartletFilter
internal import MartletHTTP
internal import MartletNet

/// A request of our own to a cluster: a filter's call, whose response is collected whole or handed on in pieces, or a
/// mirrored copy, whose response is dropped.
final class ClusterCall: ConnectionTaker, TimerTarget {
    enum Purpose {
        case call((CallResult) -> Void, maxBody: Int)
        case stream((CallEvent) -> Void)
        case mirror
    }

    private let worker: Worker
    private var purpose: Purpose?
    private let request: RequestHead
    private let timeout: Nanoseconds
    private let body: [UInt8]
    private var cluster: WorkerCluster?
    private var upstream: (any UpstreamStream)?
    private var isWaiting = false
    private var refusals = 0
    private var holdsRequestSlot = false
    private var timer = LazyTimer()
    private var deadline = Instant.never
    private var isRequestEnded = true
    /// Pieces that came before the connection did; and of a streamed call all of them, for as long as the endpoint may refuse
    /// the request unseen and they are few.
    private var kept = HeldBody()
    private var keepsBody = true
    private var isPaused = false
    /// The sender waits for `.writable`.
    private var wantsRoom = false

    let responseHead = ResponseHead()
    let responseTrailers = HeaderTable()
    private var received: [UInt8] = []

    var trailers: HeaderTable? { responseTrailers }
    var requestMethod: Method { request.method }
    var asksForUpgrade: Bool { false }

    init(_ call: CallRequest, worker: Worker, _ purpose: Purpose) {
        self.worker = worker
        self.purpose = purpose
        timeout = Nanoseconds(call.timeout)
        body = call.streamsBody ? [] : call.body
        request = RequestHead()
        isValid =
            HeaderTable.isToken(call.method.utf8Span.span) && RequestHead.isSafeTarget(call.path.utf8Span.span)
            && Authority.isValid(call.authority.utf8Span.span)
        request.setMethod(call.method.utf8Span.span)
        request.setTarget(call.path.utf8Span.span)
        request.setAuthority(call.authority.utf8Span.span)
        for field in call.headers {
            switch field.name.id {
            case .host, .contentLength, .transferEncoding, .connection, .upgrade, .te, .expect: continue
            default: request.headers.append(field.name, field.value)
            }
        }
        if let fields = call.fields { add(fields) }
        if call.wantsTrailers { request.headers.append(.te, "trailers") }
        if call.streamsBody {
            request.body = .chunked
            isRequestEnded = false
        } else if !body.isEmpty || request.method == .post || request.method == .put {
            request.body = .exactly(UInt64(body.count))
        }
    }

    private let isValid: Bool

    private func add(_ fields: HeaderTable) {
        for index in 0..<fields.count {
            switch fields.id(at: index) {
            case .host, .contentLength, .transferEncoding, .connection, .upgrade, .te, .expect: continue
            default: request.headers.append(named: fields.name(at: index), fields.value(at: index))
            }
        }
    }

    private init(mirroring exchange: Exchange, ended: Bool, worker: Worker, timeout: Nanoseconds) {
        self.worker = worker
        self.timeout = timeout
        purpose = .mirror
        body = []
        isValid = true
        request = RequestHead()
        let original = exchange.request
        // First, as it empties the arena that the others lie in.
        request.headers.copy(from: original.headers)
        request.setMethod(original.methodBytes())
        request.setTarget(original.target())
        request.body = original.body
        request.setAuthority(Self.shadowed(original.authority()).span)
        isRequestEnded = ended
    }

    /// Envoy's mark of a mirrored request: `-shadow` behind the host.
    private static func shadowed(_ authority: Span<UInt8>) -> [UInt8] {
        var end = authority.count
        if authority.count > 0, authority[authority.count - 1] != 0x5D {
            for index in authority.indices where authority[index] == 0x3A { end = index }
        }
        return authority.extracting(0..<end).array() + Array("-shadow".utf8)
            + authority.extracting(end..<authority.count).array()
    }

    /// - Parameter ended: the request has no body; otherwise `send` or `endBody` says when it is over.
    static func mirror(_ exchange: Exchange, ended: Bool, to cluster: WorkerCluster, worker: Worker) -> ClusterCall {
        let call = ClusterCall(mirroring: exchange, ended: ended, worker: worker, timeout: .seconds(15))
        call.start(cluster)
        return call
    }

    // MARK: Sending

    func start(_ cluster: WorkerCluster?) {
        guard isValid else { return fail(.invalidRequest) }
        guard let cluster else { return fail(.unknownCluster) }
        guard cluster.runtime.limits.requests.take() else {
            cluster.refused(.requests)
            return fail(.overflow)
        }
        holdsRequestSlot = true
        self.cluster = cluster
        if timeout > .zero {
            deadline = worker.loop.now + timeout
            timer.require(deadline, worker.loop, self)
        }
        isWaiting = true
        cluster.take(for: self)
    }

    func upstreamReady(_ upstream: any UpstreamStream) {
        isWaiting = false
        self.upstream = upstream
        let body = self.body
        let endsHere = isRequestEnded && body.isEmpty && kept.isEmpty && request.body != .chunked
        if isPaused { upstream.pauseReading() }
        guard upstream.sendHead(request, ended: endsHere) else { return fail(.invalidRequest) }
        if !body.isEmpty { upstream.sendBody(ByteSlice(copying: body.span)) }
        for slice in kept.pieces { upstream.sendBody(slice) }
        keepWhatIsLittle()
        if isRequestEnded && !endsHere { endRequest(on: upstream) }
        if wantsRoom { upstream.askDrained() }
    }

    /// Bytes kept for a mirror that is slower than the request.
    private static let mirrorLimit = 262_144

    /// A piece of the mirrored request's body. A mirror that does not keep up is given up: it must not slow the request.
    func send(_ slice: ByteSlice, ended: Bool) {
        guard purpose != nil else { return }
        // A mirror's time is that of silence: how long the request takes is not its affair.
        deadline = worker.loop.now + timeout
        write(slice)
        if ended { endBody() }
        if queuedBytes > Self.mirrorLimit { cancel() }
    }

    /// The body of a mirrored or streamed request is over; trailers are not sent.
    func endBody() {
        guard purpose != nil, !isRequestEnded else { return }
        isRequestEnded = true
        if let upstream { endRequest(on: upstream) }
    }

    private func write(_ slice: ByteSlice) {
        upstream?.sendBody(slice)
        guard keepsBody else { return }
        kept.append(slice)
        keepWhatIsLittle()
    }

    /// What has been sent is kept only where it may be of use.
    private func keepWhatIsLittle() {
        guard let upstream else { return }
        if case .stream = purpose, upstream.mayBeRefused, kept.bytes <= Self.streamLimit { return }
        forgetBody()
    }

    private func forgetBody() {
        keepsBody = false
        kept.removeAll()
    }

    private var queuedBytes: Int { upstream?.queuedBytes ?? kept.bytes }

    /// Trailers are not sent.
    private func endRequest(on upstream: any UpstreamStream) {
        if !upstream.endBody(nil) { fail(.invalidRequest) }
    }

    func upstreamRefused(_ reason: ConnectionRefusal) {
        isWaiting = false
        switch reason {
        case .noHealthyUpstream: fail(.noHealthyUpstream)
        case .overflow, .circuitOpen: fail(.overflow)
        case .dialFailed, .tlsFailed: fail(.connectFailure)
        }
    }

    // MARK: Receiving

    func upstreamConnected() {}
    func upstreamInformational() { responseHead.reset() }
    func upstreamDrained() {
        guard wantsRoom else { return }
        wantsRoom = false
        notify(.writable)
    }
    func upstreamTunnel(_ slice: ByteSlice) {}
    func upstreamTunnelEnded() { fail(.reset) }

    func upstreamHead(ended: Bool, tunnels: Bool) {
        upstream?.report(.status(responseHead.status))
        forgetBody()
        if tunnels { return fail(.reset) }
        if ended { releaseConnection() }
        notify(.head(responseHead))
        if ended { finish() }
    }

    func upstreamBody(_ slice: ByteSlice, ended: Bool) {
        if ended { releaseConnection() }
        switch purpose {
        case .call(_, let maxBody):
            guard received.count + slice.count <= maxBody else { return fail(.tooLarge) }
            received.append(contentsOf: slice.array())
        case .stream: if !slice.isEmpty { notify(.body(slice)) }
        case .mirror, nil: break
        }
        if ended { finish() }
    }

    private func notify(_ event: CallEvent) { if case .stream(let events) = purpose { events(event) } }

    func upstreamTrailers() { finish() }

    func upstreamFailed(_ failure: UpstreamFailure) {
        upstream?.report(failure.outcome)
        upstream = nil
        // Not looked at, and all of it is here.
        if failure == .refused, canResend, refusals < Attempt.maxRefusals, let cluster {
            refusals += 1
            isWaiting = true
            return cluster.take(for: self)
        }
        switch failure {
        case .connectFailed, .connectTimeout, .tlsFailed: fail(.connectFailure)
        case .closed, .invalidResponse, .refused: fail(.reset)
        }
    }

    private var canResend: Bool {
        switch purpose {
        case .call: true
        case .stream: keepsBody
        case .mirror, nil: false
        }
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard deadline <= worker.loop.now else { return timer.require(deadline, worker.loop, self) }
        upstream?.report(.timeout)
        fail(.timeout)
    }

    // MARK: Ending

    private func finish() {
        guard let purpose else { return }
        releaseConnection()
        close()
        switch purpose {
        case .call(let done, _): done(.response(CallResponse(head: responseHead, body: received)))
        case .stream(let events): events(.ended)
        case .mirror: break
        }
    }

    /// The response has arrived whole: the connection is free before anybody hears of it.
    private func releaseConnection() {
        let upstream = self.upstream.take()
        upstream?.responseTaken()
    }

    private func fail(_ failure: CallFailure) {
        guard let purpose else { return }
        cancel()
        switch purpose {
        case .call(let done, _): done(.failure(failure))
        case .stream(let events): events(.failed(failure))
        case .mirror: break
        }
    }

    /// Nobody waits for it any more.
    func cancel() {
        guard purpose != nil else { return }
        if isWaiting { cluster?.stopWaiting(self) }
        let upstream = self.upstream.take()
        upstream?.abandon()
        close()
    }

    private func close() {
        purpose = nil
        timer.cancel(worker.loop)
        forgetBody()
        if holdsRequestSlot {
            holdsRequestSlot = false
            cluster?.runtime.limits.requests.giveBack()
        }
    }
}

extension ClusterCall: CallStreamCarrier {
    /// Bytes queued before the sender is to wait.
    private static let streamLimit = 65_536

    func send(_ bytes: Span<UInt8>) {
        guard purpose != nil, !isRequestEnded, !bytes.isEmpty else { return }
        write(ByteSlice(copying: bytes))
    }

    func endRequest() { endBody() }

    func checkFull() -> Bool {
        guard purpose != nil, queuedBytes >= Self.streamLimit else { return false }
        wantsRoom = true
        upstream?.askDrained()
        return true
    }

    func pause() {
        isPaused = true
        upstream?.pauseReading()
    }

    func resume() {
        isPaused = false
        upstream?.resumeReading()
    }
}
