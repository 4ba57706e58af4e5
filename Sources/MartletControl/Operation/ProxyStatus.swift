package import MartletXDS

/// Where one connected proxy stands.
package struct ProxyStatus: Sendable {
    package enum State: String, Sendable {
        /// It has what it is to have.
        case synced
        /// Something has been sent and is not answered yet.
        case pending
        /// It has refused something that it is to have.
        case refused
    }

    package struct Feed: Sendable, Equatable {
        package var type: ResourceType
        package var sentVersion: String?
        package var acknowledgedVersion: String?
        package var refusal: ErrorDetail?
        package var withheld: [String]

        package init(
            type: ResourceType, sentVersion: String?, acknowledgedVersion: String?, refusal: ErrorDetail?,
            withheld: [String]
        ) {
            (self.type, self.sentVersion, self.acknowledgedVersion) = (type, sentVersion, acknowledgedVersion)
            (self.refusal, self.withheld) = (refusal, withheld)
        }
    }

    /// What it reports itself.
    package struct Report: Sendable {
        /// How long ago the newest report came.
        package var age: Duration
        package var newest: ProxyReport
        /// Of the last seconds; nil until there are two reports.
        package var recent: ReportedTraffic?

        package init(age: Duration, newest: ProxyReport, recent: ReportedTraffic?) {
            (self.age, self.newest, self.recent) = (age, newest, recent)
        }
    }

    package let proxy: ProxyIdentity
    package var id: String
    package var cluster: String
    package var namespace: String
    package var zone = ""
    package var labels: [String: String] = [:]
    /// `martlet 0.1.0`, `envoy 1.40.0`.
    package var agent = ""
    /// `delta` or `sotw`.
    package var method: String
    package var address = ""
    /// The replica that it is connected to. Nil: there is one only.
    package var replica: String?
    /// Milliseconds since 1970.
    package var connectedAt: Int64
    package var state = State.pending
    /// The newest revision whose effects it was sent, and the newest that it has accepted.
    package var sentRevision: Revision = 0
    package var acknowledgedRevision: Revision = 0
    /// The newest revision that is in force on all its workers: as it reports, or else the one that it has acknowledged.
    package var appliedRevision: Revision?
    /// Nil: it does not report, as Envoy and gRPC do not.
    package var report: Report?
    /// Since when it has not had what it is to have, in milliseconds; nil when it has.
    package var lag: Int64?
    package var feeds: [Feed] = []

    package init(_ proxy: ProxyIdentity, method: String, address: String, connectedAt: Int64) {
        self.proxy = proxy
        (id, cluster, namespace) = (proxy.id, proxy.cluster, proxy.namespace)
        (zone, labels, agent) = (proxy.zone, proxy.labels, proxy.agent)
        (self.method, self.address, self.connectedAt) = (method, address, connectedAt)
    }
}
