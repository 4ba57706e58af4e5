internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// One try to get a response from upstream: the state of it; `ExchangeDriver+Attempt` moves it.
struct Attempt {
    var cluster: WorkerCluster?
    var upstream: (any UpstreamStream)?
    var isStarted = false
    /// Counted against the cluster's `max_requests`.
    var holdsRequestSlot = false
    var isWaiting = false
    /// Everything of the request has been handed to the connection.
    var isRequestSent = false
    /// Nothing more of the request goes upstream: it answered early, or failed.
    var ignoresRequest = false
    var hasResponse = false
    var isUpgraded = false
    var remainingLength: UInt64?
    /// What passed the chain of the body before there was a connection to send it on, and what was sent of it for as
    /// long as it may have to be sent again.
    var replay = HeldBody()
    /// The stale keep-alive race may ask for the request again.
    var canReplay = false
    var replayEnded = false
    var hasReplayed = false
    /// Times that a server said it had not looked at the request.
    var refusals = 0
    /// Bytes of body kept although they were sent.
    var keepLimit = 0
    /// Some of the body was sent and is not kept: the request cannot be sent again.
    var isBodyGone = false
    var retry = RetryProgress()
    /// Tries beside the present one.
    var hedges: [HedgedTry] = []
    /// The request came with a deadline.
    var hasDeadline = false
    /// The deadline that a client set whom nobody vouches for; `never` when there is none.
    var strangersDeadline = Instant.never
    var mirrors: [ClusterCall] = []

    /// A server that refuses everything is no reason to go on.
    static let maxRefusals = 3

    /// Most bytes of body kept for the stale keep-alive race.
    static let replayLimit = 65_536

    /// Ready for the next exchange. Fields that are empty already are left alone: this runs for every request.
    mutating func reset() {
        cluster = nil
        isStarted = false
        isWaiting = false
        isRequestSent = false
        ignoresRequest = false
        hasResponse = false
        isUpgraded = false
        remainingLength = nil
        replay.removeAll()
        canReplay = false
        replayEnded = false
        hasReplayed = false
        refusals = 0
        keepLimit = 0
        isBodyGone = false
        retry.reset()
        hasDeadline = false
        strangersDeadline = .never
        if !mirrors.isEmpty { mirrors = [] }
    }

    /// The rest of the request will not come: what has gone to mirrors is none.
    mutating func cutMirrors() {
        for mirror in mirrors { mirror.cancel() }
        if !mirrors.isEmpty { mirrors = [] }
    }

    /// The request will not be sent again.
    mutating func forgetReplay() {
        canReplay = false
        keepLimit = 0
        if !replay.isEmpty { isBodyGone = true }
        replay.removeAll()
    }

    var queuedBytes: Int { upstream?.queuedBytes ?? 0 }
    /// The head has a connection, or one being dialled, to go to.
    var takesBody: Bool { upstream != nil || ignoresRequest }

    func resumeReading() { upstream?.resumeReading() }
}
