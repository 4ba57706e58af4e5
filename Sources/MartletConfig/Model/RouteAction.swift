package import MartletCore

/// What a route does with a request.
package enum RouteAction: Sendable {
    case cluster(ClusterReference)
    /// One of several, by weight.
    case split([WeightedCluster])
    case redirect(RedirectConfig)
    case respond(RespondConfig)
}

/// The name of a cluster, and where it was written.
package struct ClusterReference: Sendable {
    package var name: String
    package var place: ConfigPlace
}

package struct WeightedCluster: Sendable {
    package var cluster: ClusterReference
    /// Its share is this over the sum. Default 1, 0 to 1 million; the sum is above 0.
    package var weight: Int
}

/// Sends the client elsewhere. What is not written stays as it was requested.
package struct RedirectConfig: Sendable {
    package enum Path: Sendable {
        /// Replaces the whole path. A query in it replaces the request's.
        case full(String)
        /// Replaces what the route's prefix matched.
        case prefix(String)
        case regex(RegexSource, to: String)
    }

    /// `http` or `https`.
    package var scheme: String?
    package var host: String?
    package var port: Int?
    package var path: Path?
    /// 301, 302, 303, 307 or 308. Default: 301.
    package var status: Int
    /// Drop the query. Default: false.
    package var stripQuery: Bool
}

/// Answers without any upstream.
package struct RespondConfig: Sendable {
    /// 200 to 599.
    package var status: Int
    /// At most 1 MiB. Default: empty.
    package var body: String
    package var headers: [(name: HeaderName, value: String)]
}

/// How the request looks to the upstream.
package struct RewriteConfig: Sendable {
    package enum Path: Sendable {
        /// Replaces what the route's prefix or exact path matched.
        case prefix(String)
        /// The first match of the expression in the path becomes `to`, with `\1` for groups.
        case regex(RegexSource, to: String)
    }

    package var path: Path?
    /// Replaces the host.
    package var host: String?
}

/// Sends a copy of the request to another cluster and throws its answer away.
package struct MirrorConfig: Sendable {
    package var cluster: ClusterReference
    /// The fraction of requests, 0 to 1. Default: 1.
    package var fraction: Double
}
