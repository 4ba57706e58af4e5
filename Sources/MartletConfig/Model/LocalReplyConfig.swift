package import MartletCore

/// How a reply that Martlet makes itself is told to a client: a refusal or a failure, never a route's own `respond`.
package struct LocalReplyConfig: Sendable {
    /// One of these ranges; empty: any.
    package var statuses: [ClosedRange<Int>]
    /// One of these flags, in letters; empty: any or none.
    package var flags: [String]
    /// One of these reasons, as in `x-martlet-error`; empty: any.
    package var reasons: [String]
    /// What a route may ask of a request.
    package var request: RouteMatch?
    /// The status in its place. Nil keeps it.
    package var status: Int?
    package var headers: [(name: HeaderName, value: [FormatPart])]
    /// For those who want text, or do not say. Nil keeps the reply's own body.
    package var textBody: [FormatPart]?
    /// For those who prefer JSON.
    package var jsonBody: JSONTemplate?
    package var contentType: String?
    package var place: ConfigPlace

    /// Most entries of one list.
    static let maxEntries = 1000
}
