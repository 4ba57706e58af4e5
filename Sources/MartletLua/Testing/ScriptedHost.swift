internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Carries one exchange of a test, as the proxy's driver does: it plays the client, the upstream, and what lies between.
///
///     client ──request items──▶ request flow ──▶ upstream (kept) ──whole?──▶ response items ──▶ response flow ──▶ client (kept)
///
/// An item goes in whenever its flow takes one. When nothing moves any more the clock jumps to the next timer; when there is
/// none, the policy waits for something that does not come.
final class ScriptedHost: ExchangeHost {
    let exchange = Exchange()
    var services: any WorkerServices { worker }
    private let worker: ScriptedWorker
    private let clusters: [String]
    private let answer: ScriptedResponse

    private var requestItems: [ScriptedMessage.Item]
    private var responseItems: [ScriptedMessage.Item] = []
    private var isRequestForwarded = false
    private var isAnswering = false
    private var isUpstreamWanted = true
    private var isResponseComplete = false
    private var passedRequestBytes: UInt64 = 0

    /// What upstream has seen; nil when nothing was forwarded.
    private(set) var upstream: SeenMessage?
    /// What the client has seen.
    private(set) var response: SeenMessage?
    /// Why the client's stream was reset.
    private(set) var reset: String?
    /// Nothing moves and nothing is due, yet there is no response.
    private(set) var isStuck = false

    /// Longer than this no test's exchange takes, by its own clock.
    private static let longest = Nanoseconds.seconds(7200)

    init(_ request: ScriptedRequest, answer: ScriptedResponse, worker: ScriptedWorker, clusters: [String]) {
        self.worker = worker
        self.clusters = clusters
        self.answer = answer
        requestItems = request.message.items
        exchange.attach(self)
        request.fill(exchange.request)
    }

    /// Runs the exchange to its end.
    func run(_ request: ScriptedRequest, through chain: Chain) {
        let client = Downstream(
            directRemoteIP: request.client, directRemotePort: 40_000, localAddress: "10.255.0.1:80",
            listener: PolicyTestRunner.listener, scheme: request.scheme, connectionID: 1,
            tls: request.tls)
        let limit = worker.now + Self.longest
        exchange.open(chain: chain, downstream: client, at: worker.now)
        exchange.clientIP = request.client
        for entry in request.metadata { exchange.metadata[entry.group, default: [:]][entry.key] = entry.value }
        exchange.requestFlow.headReceived(exchange, ended: request.message.isBodiless)
        while exchange.isOpen {
            if move() || worker.clock.fireNext(by: limit) { continue }
            isStuck = true
            finish()
        }
        exchange.detach()
    }

    /// Moves one thing that can move without time passing. False when everything is at rest.
    private func move() -> Bool {
        if isResponseComplete || reset != nil {
            finish()
            return true
        }
        if !requestItems.isEmpty, exchange.requestFlow.acceptsMore {
            sendRequest(requestItems.removeFirst())
            return true
        }
        guard isUpstreamWanted else { return false }
        if isRequestForwarded, !isAnswering {
            beginAnswer()
            return true
        }
        if !responseItems.isEmpty, exchange.responseFlow.acceptsMore {
            sendResponse(responseItems.removeFirst())
            return true
        }
        return false
    }

    private func finish() {
        worker.cancelCalls(of: exchange)
        exchange.finish()
    }

    // MARK: The client's and upstream's side

    private func sendRequest(_ item: ScriptedMessage.Item) {
        switch item {
        case .piece(let bytes, let isLast):
            exchange.requestBytes &+= UInt64(bytes.count)
            exchange.requestFlow.bodyReceived(exchange, BodyChunk(ByteSlice(copying: bytes), isLast: isLast))
        case .trailers(let fields):
            for field in fields { exchange.requestTrailers.append(field.name, field.value) }
            exchange.requestFlow.trailersReceived(exchange)
        }
    }

    private func beginAnswer() {
        isAnswering = true
        responseItems = answer.message.items
        exchange.response.reset()
        answer.fill(exchange.response)
        exchange.responseFlow.headReceived(exchange, ended: answer.message.isBodiless)
    }

    private func sendResponse(_ item: ScriptedMessage.Item) {
        switch item {
        case .piece(let bytes, let isLast):
            exchange.responseFlow.bodyReceived(exchange, BodyChunk(ByteSlice(copying: bytes), isLast: isLast))
        case .trailers(let fields):
            for field in fields { exchange.responseTrailers.append(field.name, field.value) }
            exchange.responseFlow.trailersReceived(exchange)
        }
    }

    // MARK: ExchangeHost

    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {
        switch direction {
        case .request:
            let cluster = exchange.plan.flatMap { $0.cluster < clusters.count ? clusters[$0.cluster] : nil }
            exchange.clusterName = cluster
            exchange.attempts += 1
            upstream = SeenMessage(exchange.request, cluster: cluster)
            upstream?.endpoint = exchange.upstreamOverride?.address
            if upstream == nil { return giveUp("the request head cannot be sent") }
            isRequestForwarded = ended
        case .response:
            exchange.hasSentHead = true
            let status = exchange.response.status
            let isBodiless = exchange.request.method == .head || status == 204 || status == 304
            let isExact = if case .exactly = exchange.response.body { true } else { false }
            response = SeenMessage(
                exchange.response,
                framing: isBodiless ? .none : ended ? .exactly(0) : isExact ? exchange.response.body : .chunked,
                keepsLength: isBodiless && status != 204, closes: exchange.drainsConnection)
            if response == nil { return giveUp("the response head cannot be sent") }
            isResponseComplete = ended
        }
    }

    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {
        switch direction {
        case .request:
            passedRequestBytes &+= UInt64(chunk.count)
            guard fits(passedRequestBytes, exchange.request.body, ended) else { return }
            upstream?.append(chunk)
            isRequestForwarded = ended
        case .response:
            exchange.responseBytes &+= UInt64(chunk.count)
            guard fits(exchange.responseBytes, exchange.response.body, ended) else { return }
            response?.append(chunk)
            isResponseComplete = ended
        }
    }

    /// A body of another length than its head says would be read as the next message: the proxy does not send it.
    private func fits(_ count: UInt64, _ length: BodyLength, _ ended: Bool) -> Bool {
        guard case .exactly(let length) = length, count > length || (ended && count != length) else { return true }
        giveUp("\(count) bytes of body, where the head says \(length)")
        return false
    }

    func trailersPassed(_ direction: Direction, of exchange: Exchange) {
        switch direction {
        case .request:
            upstream?.append(trailers: exchange.requestTrailers)
            isRequestForwarded = true
        case .response:
            response?.append(trailers: exchange.responseTrailers)
            isResponseComplete = true
        }
    }

    /// `move` asks the flows by itself.
    func flowOpened(_ direction: Direction, of exchange: Exchange) {}

    func replyStarted(of exchange: Exchange) {
        isUpstreamWanted = false
        responseItems = []
    }

    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) { giveUp(reason.rawValue) }

    private func giveUp(_ reason: String) {
        if reset == nil { reset = reason }
    }
}
