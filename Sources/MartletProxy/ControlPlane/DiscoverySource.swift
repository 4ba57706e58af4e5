internal import MartletCore
internal import MartletFilter
internal import MartletXDS

/// The way by which a control plane is asked and heard. On the supervisor's thread; connections are a worker's.
protocol DiscoverySource: AnyObject {
    /// Once the workers run.
    func start()
    func heard(_ news: DiscoveryNews)
    /// The offers that have come and were not taken before.
    func take() -> [DiscoveryOffer]
    /// Asks for what these resources mention. False: an answer to that belongs to what was taken last, and comes soon.
    @discardableResult func subscribe(to cache: ResourceCache) -> Bool
    /// - Parameter reason: why it is refused; nil: it is in force.
    /// - Parameter isPartly: what was not at fault in it is in force.
    func answer(_ offer: DiscoveryOffer, refusedFor reason: String?, isPartly: Bool)
}

/// Pauses before a control plane that did not answer is tried again.
enum DiscoveryPause {
    static let backoff = RetryPolicy.Backoff(base: .milliseconds(500), max: .seconds(30))
}
