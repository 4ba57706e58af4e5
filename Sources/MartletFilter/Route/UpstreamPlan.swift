package import MartletCore

/// Where and how a request goes upstream; the router filter decides it, the proxy carries it out.
package struct UpstreamPlan {
    /// Number of the cluster in the snapshot.
    package var cluster: Int
    /// The whole request; zero is none.
    package var timeout: Nanoseconds
    /// Longest silence in either direction; zero: the listener's.
    package var idleTimeout: Nanoseconds
    /// Upstream is told how much of `timeout` is left.
    package var sendsDeadline: Bool
    /// Clusters that get a copy whose response is dropped.
    package var mirrors: [Int]
    /// What the route's `hash` policies made of the request; nil when none applied.
    package var hashKey: UInt64?
    /// A `set-cookie` value for upstream's response: the client had no cookie to be recognised by.
    package var cookie: [UInt8]?

    package init(
        cluster: Int, timeout: Nanoseconds, idleTimeout: Nanoseconds = .zero, sendsDeadline: Bool = false,
        mirrors: [Int] = [], hashKey: UInt64? = nil, cookie: [UInt8]? = nil
    ) {
        self.cluster = cluster
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.sendsDeadline = sendsDeadline
        self.mirrors = mirrors
        self.hashKey = hashKey
        self.cookie = cookie
    }
}
