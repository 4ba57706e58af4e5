internal import MartletControl
internal import MartletXDS

/// How far a proxy has come with what is published for it.
struct SessionProgress {
    private(set) var status: ProxyStatus
    var publication: Publication

    init(
        _ proxy: ProxyIdentity, method: DiscoveryStream.Variant, address: String, time: Int64, publication: Publication
    ) {
        self.publication = publication
        status = ProxyStatus(
            proxy, method: method == .delta ? "delta" : "sotw", address: address, connectedAt: time)
    }

    mutating func update(_ stream: DiscoveryStream) {
        status.feeds = ResourceType.allCases.compactMap { type in
            let feed = stream.status(type)
            guard feed.isRequested else { return nil }
            return ProxyStatus.Feed(
                type: type, sentVersion: feed.sentVersion, acknowledgedVersion: feed.acknowledgedVersion,
                refusal: feed.refusal, withheld: feed.withheld)
        }
        status.sentRevision = publication.revision
        if stream.isSettled {
            status.state = .synced
            status.acknowledgedRevision = publication.revision
            status.lag = nil
        } else {
            status.state = stream.isRefused ? .refused : .pending
            // Since the first change that it does not have.
            status.lag = status.lag ?? publication.time
        }
        // Until it reports, an acknowledgement is all that is known.
        if status.acknowledgedRevision > 0 { status.appliedRevision = status.acknowledgedRevision }
    }
}
