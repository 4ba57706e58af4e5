internal import MartletCore
package import MartletXDS
internal import Synchronization

/// Where every proxy that is connected here stands, by what its streams of discovery tell, and what it reports. Told by streams,
/// read by whoever asks.
package final class Fleet: Sendable {
    private struct Proxy {
        var status: ProxyStatus
        /// As reports tell it: the newest revision that was found to be in force.
        var appliedRevision: Revision?
    }

    private struct Reporter {
        /// The one that counts, of several streams that report for one node: the newest.
        var stream: UInt64
        var history = ReportHistory()
    }

    private struct State {
        var proxies: [UInt64: Proxy] = [:]
        /// Streams of discovery by node.
        var streams: [ProxyName: Set<UInt64>] = [:]
        var reporters: [ProxyName: Reporter] = [:]
        var lastReporter: UInt64 = 0

        /// Whether what a stream has acknowledged is what the reports say is in force.
        mutating func compare(_ stream: UInt64) {
            guard let status = proxies[stream]?.status, status.acknowledgedRevision > 0,
                let states = reporters[status.proxy.name]?.history.newest?.states
            else { return }
            let isInForce = status.feeds.allSatisfy { feed in
                let state = states[feed.type]
                // A proxy that came back and had everything was sent nothing to acknowledge.
                guard let acknowledged = feed.acknowledgedVersion else { return state?.waitingCount ?? 0 == 0 }
                return state?.version == acknowledged && state?.waitingCount == 0
            }
            if isInForce { proxies[stream]?.appliedRevision = status.acknowledgedRevision }
        }
    }

    private let state = Locked(State())

    /// Rates that people are shown are of so long.
    private static let shown = Duration.seconds(10)

    package init() {}

    // MARK: Streams of discovery

    package func update(_ stream: UInt64, _ status: ProxyStatus) {
        state.withLock { state in
            let applied = state.proxies[stream]?.appliedRevision
            state.proxies[stream] = Proxy(status: status, appliedRevision: applied)
            state.streams[status.proxy.name, default: []].insert(stream)
            state.compare(stream)
        }
    }

    /// Its reports go with the last of a proxy's streams.
    package func remove(_ stream: UInt64) {
        state.withLock { state in
            guard let name = state.proxies.removeValue(forKey: stream)?.status.proxy.name else { return }
            state.streams[name]?.remove(stream)
            guard state.streams[name]?.isEmpty == true else { return }
            state.streams[name] = nil
            state.reporters[name] = nil
        }
    }

    package var proxies: [ProxyStatus] {
        let now = ContinuousClock.now
        let known = state.withLock { state in
            state.proxies.values.map { ($0, state.reporters[$0.status.proxy.name]?.history) }
        }
        return known.map { proxy, history in
            var status = proxy.status
            guard let history, let newest = history.newest else { return status }
            status.appliedRevision = proxy.appliedRevision
            status.report = ProxyStatus.Report(
                age: history.reportedAt.map { max(now - $0, .zero) } ?? .zero, newest: newest,
                recent: history.traffic(since: now - Self.shown))
            return status
        }.sorted { ($0.namespace, $0.id) < ($1.namespace, $1.id) }
    }

    // MARK: Reports

    /// A stream of reports begins. Only those of proxies are taken that get their configuration here.
    /// - Parameter address: whence it comes, as that of the stream of discovery: `ipv4:10.0.0.7:51742`. Ports may differ.
    package func beginReports(of name: ProxyName, from address: String) throws(ReportRefusal) -> UInt64 {
        let result = state.withLock { state -> Result<UInt64, ReportRefusal> in
            guard let streams = state.streams[name] else { return .failure(.notConnected(name.id)) }
            let hosts = streams.compactMap { state.proxies[$0].map { Self.host($0.status.address) } }
            guard hosts.contains(Self.host(address)) else { return .failure(.otherAddress(name.id)) }
            state.lastReporter += 1
            state.reporters[name] = Reporter(stream: state.lastReporter)
            return .success(state.lastReporter)
        }
        return try result.get()
    }

    package func report(
        _ report: ProxyReport, of name: ProxyName, by stream: UInt64, at now: ContinuousClock.Instant = .now
    ) throws(ReportRefusal) {
        let isKnown = state.withLock { state in
            guard let streams = state.streams[name] else { return false }
            // Another stream may have reported for this node, and ended.
            if state.reporters[name] == nil { state.reporters[name] = Reporter(stream: stream) }
            guard state.reporters[name]?.stream == stream else { return true }
            state.reporters[name]?.history.record(report, at: now)
            for stream in streams { state.compare(stream) }
            return true
        }
        if !isKnown { throw .notConnected(name.id) }
    }

    package func endReports(of name: ProxyName, by stream: UInt64) {
        state.withLock { state in
            if state.reporters[name]?.stream == stream { state.reporters[name] = nil }
        }
    }

    /// What a proxy's traffic did from the last of its reports that is not after `since`, or else from the first one known, until
    /// the newest. Nil: there are no two reports to compare, as with a proxy that does not report. Of reports that are long ago
    /// fewer are kept, in proportion to their age: it may begin earlier than `since` by a part of that time, and tells its span.
    package func traffic(of proxy: ProxyName, since: ContinuousClock.Instant) -> ReportedTraffic? {
        state.withLock { $0.reporters[proxy]?.history.traffic(since: since) }
    }

    /// The versions that a proxy has in force on all its workers. Nil: it has not reported.
    package func applied(by proxy: ProxyName) -> [ResourceType: String]? {
        state.withLock { $0.reporters[proxy]?.history.newest?.states.mapValues(\.version) }
    }

    /// The newest report of a proxy, as it came.
    package func newestReport(of proxy: ProxyName) -> ProxyReport? {
        state.withLock { $0.reporters[proxy]?.history.newest }
    }

    /// Without the port.
    private static func host(_ address: String) -> Substring {
        address.lastIndex(of: ":").map { address[..<$0] } ?? address[...]
    }
}
