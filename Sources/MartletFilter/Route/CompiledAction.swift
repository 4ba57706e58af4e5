package import MartletCore

/// What a matched route does, compiled: clusters are numbers into the snapshot's list.
package enum CompiledAction: Sendable {
    case forward(ForwardAction)
    case redirect(RedirectAction)
    case respond(RespondAction)
}

package struct ForwardAction: Sendable {
    /// One entry, or a weighted split.
    package var clusters: [CompiledCluster]
    package var totalWeight: UInt64
    /// The whole request, attempts included; zero is none.
    package var timeout: Nanoseconds
    /// Longest silence of a stream; zero is none.
    package var idleTimeout: Nanoseconds
    /// The route sets `timeout`, and upstream is told of it.
    package var sendsDeadline: Bool
    package var rewrite: RewriteAction?
    package var mirrors: [MirrorAction]
    package var hash: [HashRule]

    package init(
        clusters: [CompiledCluster], timeout: Nanoseconds, idleTimeout: Nanoseconds = .zero,
        sendsDeadline: Bool = false, rewrite: RewriteAction? = nil, mirrors: [MirrorAction] = [], hash: [HashRule] = []
    ) {
        self.clusters = clusters
        totalWeight = clusters.reduce(0) { $0 + UInt64($1.weight) }
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.sendsDeadline = sendsDeadline
        self.rewrite = rewrite
        self.mirrors = mirrors
        self.hash = hash
    }
}

package struct CompiledCluster: Sendable {
    package var cluster: Int
    package var weight: UInt32
    package init(cluster: Int, weight: UInt32) {
        self.cluster = cluster
        self.weight = weight
    }
}

package struct MirrorAction: Sendable {
    package var cluster: Int
    /// 0...1.
    package var share: Double
    package init(cluster: Int, share: Double) {
        self.cluster = cluster
        self.share = share
    }
}

package struct RewriteAction: Sendable {
    package enum Path: Sendable {
        /// Replaces what `match.path.prefix` (or `exact`) matched; `matched` is its length in bytes.
        case prefix(matched: Int, with: [UInt8])
        case regex(Pattern, to: [UInt8])
    }
    package var path: Path?
    package var host: [UInt8]?
    package init(path: Path?, host: [UInt8]?) {
        self.path = path
        self.host = host
    }
}

package struct RedirectAction: Sendable {
    package var status: UInt16
    package var scheme: String?
    package var host: String?
    package var port: UInt16?
    package var path: String?
    /// Replaces the matched prefix, of this length.
    package var prefix: (matched: Int, with: String)?
    /// Replaces the first match in the path.
    package var regex: (pattern: Pattern, to: [UInt8])?
    package var stripsQuery: Bool
    package init(
        status: UInt16, scheme: String? = nil, host: String? = nil, port: UInt16? = nil, path: String? = nil,
        prefix: (matched: Int, with: String)? = nil, stripsQuery: Bool = false
    ) {
        self.status = status
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.prefix = prefix
        self.stripsQuery = stripsQuery
    }
}

package struct RespondAction: Sendable {
    package var status: UInt16
    package var headers: [(name: HeaderName, value: String)]
    package var body: [UInt8]
    package init(status: UInt16, headers: [(name: HeaderName, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
