public import MartletCore
package import MartletGRPC
public import MartletHTTP

/// One request and its response, from the first byte of its head to its access log line.
///
/// Pooled by the worker: do not keep one beyond `onEnd`. Everything here is to be used on the worker's thread.
public final class Exchange {
    public let request = RequestHead()
    public let response = ResponseHead()
    package let requestTrailers = HeaderTable()
    package let responseTrailers = HeaderTable()

    package let requestFlow = ChainFlow(.request)
    package let responseFlow = ChainFlow(.response)

    /// The side that moves bytes: the proxy, or a test's script. Strong, and so a cycle with the host that owns this
    /// object: `detach` breaks it when the pair leaves the pool.
    package let host: HostReference

    /// Goes up by one each time the pool hands this object out, so that a late callback can see it is too late.
    package private(set) var generation: UInt64 = 0
    package private(set) var chain: Chain?
    package private(set) var isOpen = false
    var slots: [AnyObject?] = []

    // MARK: What the access log and metrics report

    public package(set) var downstream: Downstream?
    /// The client's address: the peer's, or the one trusted proxies vouch for (`xff_num_trusted_hops`).
    public package(set) var clientIP = ""
    public package(set) var started = Instant(nanoseconds: 0)
    public var flags = ResponseFlags()
    /// Why the response is not upstream's own, in words; nil when it is.
    public var reason: String?
    public package(set) var requestBytes: UInt64 = 0
    public package(set) var responseBytes: UInt64 = 0
    public package(set) var attempts = 0
    /// `address:port` of the endpoint of the last attempt.
    public package(set) var upstreamAddress: String?
    /// Stands for a connection that carries no requests, in its access log.
    package var isConnection = false
    /// The client has been sent a response head.
    package var hasSentHead = false
    /// The client is sent a head and nothing behind it, whatever the response holds: the answer to a HEAD, or a 304.
    package var sendsNoBody = false
    /// How a gRPC call ended whose trailers a filter has made a part of the body.
    package var bridgedStatus: GRPCStatus?
    /// When the request's last byte had come; `never` until then.
    package var requestEnded = Instant.never
    /// The cluster of the last attempt.
    public package(set) var clusterName: String?
    package var upstreamStarted = Instant(nanoseconds: 0)
    package var upstreamResponded = Instant(nanoseconds: 0)

    // MARK: What filters leave for each other and for the proxy

    /// Values by filter and key, encoded by whoever keeps them (Envoy's dynamic metadata).
    package var metadata: [String: [String: [UInt8]]] = [:]
    /// Envoy's filter state: an object's name to its text, encoded.
    package var filterState: [String: [UInt8]] = [:]
    /// Where the request should go, whatever the balancer would choose; `isStrict`: nowhere else.
    package var upstreamOverride: (address: String, isStrict: Bool)?
    /// The client's connection is to be closed behind this exchange.
    package var drainsConnection = false
    var identities = Identities()
    /// The request's place in its trace; nil when nothing traces it.
    public var trace: TraceContext?
    /// What policies in shadow mode would have done, for the access log.
    package var shadowNotes: [String] = []

    // MARK: Routing

    private var cachedRoute: Route?
    private var hasCachedRoute = false
    /// Places of filters that have run under a route that the request no longer has: their end hook is due whatever the present
    /// one says of them.
    private var endsDue: [Int] = []
    /// `route` is nil because a pattern gave up, not because none matches.
    package private(set) var isRouteUnknown = false
    /// Where the request goes; the router filter's to set.
    package var plan: UpstreamPlan?
    /// What the route's `hash` policies made of the request; nil when none applied. Beside the plan, which would be copied whole
    /// to look at it.
    package var hashKey: UInt64?
    /// A `set-cookie` value for upstream's response: the client had no cookie to be recognised by.
    package var newCookie: [UInt8]?
    /// When the request is tried again; the retry filter's to set. Nil: never.
    package var retryPolicy: RetryPolicy?

    package init() {
        host = HostReference()
        slots.reserveCapacity(8)
    }

    package func open(chain: Chain, downstream: Downstream, at now: Instant) {
        generation &+= 1
        // Mostly the chain of the exchange before: comparing is cheaper than counting references to seven lists.
        if self.chain !== chain {
            self.chain = chain
            requestFlow.use(heads: chain.requestHead, bodies: chain.requestBody, trailers: chain.requestTrailers)
            responseFlow.use(heads: chain.responseHead, bodies: chain.responseBody, trailers: chain.responseTrailers)
        }
        self.downstream = downstream
        if let tls = downstream.tls, tls.peer != nil {
            request.clientCertificate = tls.isPeerValidated ? .validated : .presented
        }
        // Until trusted proxies vouch for another one; a refused request never comes so far.
        clientIP = downstream.directRemoteIP
        started = now
        isOpen = true
        requestFlow.start()
        responseFlow.start()
    }

    /// Runs every end hook, once, and forgets the exchange's state.
    package func finish() {
        guard isOpen, let chain else { return }
        isOpen = false
        requestFlow.stop()
        responseFlow.stop()
        for entry in chain.end where endsDue.contains(entry.position) || !isDisabled(entry.position) {
            entry.filter.onEnd(self)
        }
    }

    /// Makes the object ready for the next exchange.
    package func recycle() {
        request.reset()
        response.reset()
        if !requestTrailers.isEmpty { requestTrailers.reset() }
        if !responseTrailers.isEmpty { responseTrailers.reset() }
        requestFlow.recycle()
        responseFlow.recycle()
        for index in slots.indices where slots[index] != nil { slots[index] = nil }
        downstream = nil
        clientIP = ""
        flags = ResponseFlags()
        if reason != nil { reason = nil }
        requestBytes = 0
        responseBytes = 0
        attempts = 0
        isConnection = false
        hasSentHead = false
        sendsNoBody = false
        bridgedStatus = nil
        requestEnded = .never
        if upstreamAddress != nil { upstreamAddress = nil }
        if clusterName != nil { clusterName = nil }
        if !metadata.isEmpty { metadata = [:] }
        if !filterState.isEmpty { filterState = [:] }
        if upstreamOverride != nil { upstreamOverride = nil }
        drainsConnection = false
        if !identities.isEmpty { identities = Identities() }
        trace = nil
        if !shadowNotes.isEmpty { shadowNotes = [] }
        cachedRoute = nil
        hasCachedRoute = false
        if !endsDue.isEmpty { endsDue = [] }
        plan = nil
        hashKey = nil
        if newCookie != nil { newCookie = nil }
        if retryPolicy != nil { retryPolicy = nil }
    }

    package func attach(_ host: any ExchangeHost) { self.host.target = host }
    package func detach() { host.target = nil }

    /// Lets go of the chain of the last exchange; for pooled objects after a reload.
    package func forgetChain() {
        guard !isOpen else { return }
        chain = nil
        requestFlow.use(heads: [], bodies: [], trailers: [])
        responseFlow.use(heads: [], bodies: [], trailers: [])
    }

    // MARK: Route

    /// The route the request matches as it stands, found at first use. Nil when there is none.
    public var route: Route? {
        if hasCachedRoute { return cachedRoute }
        hasCachedRoute = true
        do throws(RouteMatchFailure) {
            cachedRoute = try chain?.routes.match(request)
            isRouteUnknown = false
        } catch {
            cachedRoute = nil
            isRouteUnknown = true
        }
        return cachedRoute
    }

    /// The route found so far, without looking for one.
    package var matchedRoute: Route? { cachedRoute }

    /// Makes the next look at `route` match again, after the request head was edited.
    public func clearRouteCache() {
        if hasCachedRoute, let chain, chain.routes.hasOverrides {
            for entry in chain.end where !isDisabled(entry.position) && hasRun(entry.position) {
                if !endsDue.contains(entry.position) { endsDue.append(entry.position) }
            }
        }
        hasCachedRoute = false
        cachedRoute = nil
    }

    /// A filter of this place may have kept something: the request has come to it, or a response has begun.
    private func hasRun(_ position: Int) -> Bool { requestFlow.hasReached(position) || responseFlow.hasBegun }

    func isDisabled(_ position: Int) -> Bool {
        guard let chain, chain.routes.hasOverrides, let route else { return false }
        return route.isDisabled(position)
    }
}
