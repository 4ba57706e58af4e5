package import MartletCore

/// Which requests a route takes. All that is written must hold; what is not written holds for every request.
package struct RouteMatch: Sendable {
    /// Any of these; empty for every host. Matched without the port, whatever the case.
    package var hosts: [HostPattern]
    /// Nil for every path.
    package var path: PathMatch?
    /// Whether the case of `path` counts. Default: true.
    package var isCaseSensitive = true
    /// Any of these; empty for every method.
    package var methods: [String]
    package var headers: [HeaderMatch]
    package var query: [QueryMatch]
    /// Nil: whatever the client's certificate.
    package var tls: CertificateMatch?
}

/// A condition on the client's certificate.
package struct CertificateMatch: Sendable, Hashable {
    /// There is one, or there is none. Nil: either.
    package var presented: Bool?
    /// It proves who the client is, or it does not, or there is none. Nil: either.
    package var validated: Bool?
}

/// Exact names win over suffixes, suffixes over prefixes, the longest first; all before `*`.
package enum HostPattern: Sendable, Hashable {
    /// Lower case.
    case exact(String)
    /// `*.example.com` is `.example.com`: one label or more in front.
    case suffix(String)
    /// `www.*` is `www.`.
    case prefix(String)
    /// `*`.
    case any
}

/// How the path is compared, its query taken off.
package enum PathMatch: Sendable, Hashable {
    case exact(String)
    /// The bytes the path begins with: `/api` takes `/apiary` as well.
    case prefix(String)
    /// Whole segments: `/api` takes `/api` and `/api/x`, not `/apiary`.
    case segments(String)
    /// Must match the whole path.
    case regex(RegexSource)
}

/// How a text is compared.
package enum TextMatch: Sendable, Hashable {
    case exact(String)
    case prefix(String)
    case suffix(String)
    case contains(String)
    /// Must match the whole text.
    case regex(RegexSource)
    /// True: there at all. False: absent.
    case present(Bool)
}

/// A condition on a request's header. Of several fields of one name, one that passes is enough.
package struct HeaderMatch: Sendable {
    package var name: HeaderName
    package var test: TextMatch
    /// Whether the condition must not hold. An absent header fails every test but `present`, and so passes its inversion.
    package var isInverted: Bool
}

/// A condition on one parameter of the query, compared without decoding; the first of that name counts.
package struct QueryMatch: Sendable {
    package var name: String
    /// exact, regex or present.
    package var test: TextMatch
}
