import MartletControl
import MartletXDS
import Testing

@Suite("What proxies report, kept and compared")
struct FleetTests {
    private let fleet = Fleet()
    private let start = ContinuousClock.now
    private let a = ProxyName(namespace: "default", id: "a")

    /// A proxy that is connected and has acknowledged a revision.
    private func connect(
        _ id: String = "a", stream: UInt64 = 1, revision: Revision = 0, clusters: String? = nil,
        address: String = "ipv4:10.0.0.1:4000"
    ) {
        var status = ProxyStatus(ProxyIdentity(id: id), method: "delta", address: address, connectedAt: 0)
        (status.acknowledgedRevision, status.appliedRevision) = (revision, revision > 0 ? revision : nil)
        status.feeds = [
            ProxyStatus.Feed(
                type: .cluster, sentVersion: clusters, acknowledgedVersion: clusters, refusal: nil, withheld: [])
        ]
        fleet.update(stream, status)
    }

    private func report(
        instance: UInt64 = 1, ok: UInt64 = 0, failed: UInt64 = 0,
        policies: [String: (runs: UInt64, errors: UInt64)] = [:]
    ) -> ProxyReport {
        var report = ProxyReport(instance: instance)
        (report.responses[2], report.responses[5]) = (ok, failed)
        report.durations[3] = ok
        report.durations[19] = failed
        report.policies = policies.sorted { $0.key < $1.key }.map { name, counts in
            var tally = PolicyTally()
            (tally.runs, tally.errors) = counts
            return ProxyReport.Policy(name: name, counts: tally)
        }
        return report
    }

    /// Reports of one stream, a second apart.
    @discardableResult
    private func tell(
        _ reports: [ProxyReport], of name: ProxyName = ProxyName(namespace: "default", id: "a"), from second: Int = 0
    ) throws -> UInt64 {
        let stream = try fleet.beginReports(of: name, from: "ipv4:10.0.0.1:5000")
        for (index, report) in reports.enumerated() {
            try fleet.report(report, of: name, by: stream, at: start + .seconds(second + index))
        }
        return stream
    }

    // MARK: Differences

    @Test("Counts are those since the last report that is not after the time, or since the first")
    func differences() throws {
        connect()
        let policies = { (n: UInt64) in ["p": (runs: n, errors: n / 10)] }
        try tell((1...5).map { report(ok: $0 * 100, failed: $0, policies: policies($0 * 100)) })
        for (seconds, steps) in [(-5.0, 4), (0, 4), (1, 3), (1.9, 3), (3, 1)] as [(Double, UInt64)] {
            let traffic = try #require(fleet.traffic(of: a, since: start + .seconds(seconds)))
            #expect(traffic.requests == steps * 101 && traffic.errors5xx == steps, "\(seconds)")
            #expect(traffic.span == .seconds(Int(steps)) && traffic.requestsPerSecond == 101)
            #expect(traffic.policies["p"]?.runs == steps * 100 && traffic.policies["p"]?.errors == steps * 10)
        }
        // There is nothing after the newest, and of strangers there is nothing.
        #expect(fleet.traffic(of: a, since: start + .seconds(4)) == nil)
        #expect(fleet.traffic(of: ProxyName(namespace: "default", id: "b"), since: start) == nil)
    }

    @Test("Medians and other shares are bounds of buckets; above the highest bound it stands for all")
    func quantiles() throws {
        connect()
        try tell([report(), report(ok: 98, failed: 2)])
        let traffic = try #require(fleet.traffic(of: a, since: start))
        #expect(traffic.duration(at: 0.5) == 10 && traffic.duration(at: 0.98) == 10)
        #expect(traffic.duration(at: 0.99) == 3_600_000)
        #expect(traffic.errorShare == 0.02)
    }

    @Test("One report is nothing to compare; what was counted before it is not this stream's")
    func first() throws {
        connect()
        try tell([report(ok: 1000)])
        #expect(fleet.traffic(of: a, since: start) == nil)
        try tell([report(ok: 1000), report(ok: 1001)], from: 2)
        #expect(fleet.traffic(of: a, since: start)?.requests == 1)
    }

    @Test("A proxy that has started anew goes on counting, and is not taken for a step back")
    func restart() throws {
        connect()
        try tell([
            report(ok: 100, policies: ["p": (100, 50)]), report(ok: 110, policies: ["p": (110, 50)]),
            report(instance: 2, ok: 3, failed: 1, policies: ["p": (4, 4)]),
            report(instance: 2, ok: 5, failed: 1, policies: ["p": (6, 4)]),
        ])
        let traffic = try #require(fleet.traffic(of: a, since: start))
        #expect(traffic.requests == 10 + 4 + 2 && traffic.errors5xx == 1)
        #expect(traffic.policies["p"]?.runs == 10 + 6 && traffic.policies["p"]?.errors == 4)
    }

    @Test("Counts that step back without a restart add nothing, and the largest numbers trap nothing")
    func stepsBack() throws {
        connect()
        try tell([
            report(ok: 100, policies: ["p": (9, 9)]), report(ok: 40, policies: ["p": (2, 2)]),
            report(ok: 50, policies: ["p": (3, 2)]),
        ])
        let traffic = try #require(fleet.traffic(of: a, since: start))
        #expect(traffic.requests == 10 && traffic.policies["p"]?.runs == 1 && traffic.policies["p"]?.errors == 0)
        try tell(
            [report(), report(ok: .max, failed: .max), report(instance: 2, ok: .max, failed: .max)], from: 10)
        let wrapped = try #require(fleet.traffic(of: a, since: start))
        #expect(wrapped.errors5xx == UInt64.max &+ UInt64.max)
        #expect(wrapped.duration(at: 0.5) != nil)
    }

    @Test("Policies come and are missing for a while, and count once")
    func missingPolicies() throws {
        connect()
        try tell([
            report(policies: ["p": (5, 0)]), report(policies: ["p": (7, 0), "q": (3, 1)]),
            report(policies: ["q": (4, 1)]),
            report(policies: ["p": (8, 0), "q": (4, 1)]),
        ])
        let traffic = try #require(fleet.traffic(of: a, since: start))
        #expect(traffic.policies["p"]?.runs == 3 && traffic.policies["q"]?.runs == 4)
        #expect(fleet.traffic(of: a, since: start + .seconds(2))?.policies["p"]?.runs == 1)
    }

    @Test("A thousand policies that are others each time do not add up; hours are known as well as seconds")
    func bounds() throws {
        connect()
        try tell(
            (0..<5).map { round in
                var many = report()
                many.policies = (0..<1000).map { ProxyReport.Policy(name: "p\(round)-\($0)") }
                return many
            })
        #expect(fleet.traffic(of: a, since: start)?.policies.count == 1000)
        try tell((0..<20_000).map { report(ok: UInt64($0)) })
        for age in [1, 10, 100, 1000, 10_000] {
            let since = start + .seconds(19_999 - age)
            let traffic = try #require(fleet.traffic(of: a, since: since))
            #expect(
                traffic.span >= .seconds(age) && traffic.span <= .seconds(age + age / 2 + 1), "\(age): \(traffic.span)")
            #expect(traffic.requests == UInt64(traffic.span / .seconds(1)))
        }
    }

    // MARK: Who reports

    @Test("Only those report that get their configuration here, and from where they get it")
    func guards() throws {
        #expect(throws: ReportRefusal.notConnected("a")) { try tell([report()]) }
        connect()
        #expect(throws: ReportRefusal.otherAddress("a")) {
            _ = try fleet.beginReports(of: a, from: "ipv4:10.0.0.2:4000")
        }
        let stream = try tell([report(), report(ok: 1)])
        fleet.remove(1)
        #expect(fleet.traffic(of: a, since: start) == nil && fleet.applied(by: a) == nil)
        #expect(throws: ReportRefusal.notConnected("a")) { try fleet.report(report(), of: a, by: stream) }
    }

    @Test("Of several streams for one node the newest counts, and an older one once that has ended")
    func several() throws {
        connect()
        let old = try tell([report(ok: 10), report(ok: 20)])
        let new = try tell([report(instance: 2, ok: 1), report(instance: 2, ok: 2)])
        try fleet.report(report(ok: 30), of: a, by: old)
        #expect(fleet.traffic(of: a, since: start)?.requests == 1)
        fleet.endReports(of: a, by: old)
        #expect(fleet.newestReport(of: a)?.instance == 2)
        fleet.endReports(of: a, by: new)
        #expect(fleet.newestReport(of: a) == nil)
        try fleet.report(report(ok: 40), of: a, by: old)
        #expect(fleet.newestReport(of: a)?.instance == 1)
    }

    // MARK: What is in force

    private var applied: Revision? { fleet.proxies.first?.appliedRevision }

    private func inForce(_ clusters: String, waiting: [String] = []) -> ProxyReport {
        var report = report()
        report.states = [.cluster: ProxyReport.State(version: clusters, waiting: waiting)]
        return report
    }

    @Test("A revision is applied once what was acknowledged is reported to be in force")
    func appliedRevision() throws {
        connect(revision: 7, clusters: "v1")
        #expect(applied == 7)
        let stream = try tell([inForce("")])
        #expect(applied == nil)
        try fleet.report(inForce("v1"), of: a, by: stream)
        #expect(applied == 7 && fleet.applied(by: a) == [.cluster: "v1"])
        // The next one warms there.
        connect(revision: 8, clusters: "v2")
        #expect(applied == 7)
        try fleet.report(inForce("v1", waiting: ["late"]), of: a, by: stream)
        #expect(applied == 7)
        try fleet.report(inForce("v2"), of: a, by: stream)
        #expect(applied == 8)
        // A revision that changes nothing for it.
        connect(revision: 9, clusters: "v2")
        #expect(applied == 9)
        // Who came back and had everything was sent nothing to acknowledge.
        connect(revision: 10)
        #expect(applied == 10)
        fleet.endReports(of: a, by: stream)
        #expect(applied == 10 && fleet.proxies.first?.report == nil)
    }

    @Test("Proxies of one id in two namespaces are two")
    func namespaces() throws {
        connect()
        let other = ProxyIdentity(id: "a", labels: ["namespace": "shop"])
        fleet.update(2, ProxyStatus(other, method: "delta", address: "ipv4:10.0.0.1:4001", connectedAt: 0))
        try tell([report(), report(ok: 1)])
        try tell([report(instance: 7), report(instance: 7, ok: 5)], of: other.name)
        #expect(fleet.traffic(of: a, since: start)?.requests == 1)
        #expect(fleet.traffic(of: other.name, since: start)?.requests == 5)
        fleet.remove(2)
        #expect(fleet.newestReport(of: a)?.instance == 1 && fleet.newestReport(of: other.name) == nil)
    }
}
