public import MartletCore

/// A response that Martlet makes itself.
public final class Reply {
    public let status: UInt16
    /// Header fields in order. `content-length` is added; hop-by-hop fields are dropped.
    public var headers: [(name: HeaderName, value: String)]
    public var body: [UInt8]
    /// Why, for people: sent as `x-martlet-error` and written to the access log. Nil for an ordinary answer, such as a
    /// redirect.
    public let reason: String?
    public let flag: ResponseFlag?
    /// What a gRPC client is told, a `GRPCStatus`. Nil: what gRPC makes of `status`.
    package var grpcStatus: UInt32?

    /// - Parameter status: 200...599; anything else becomes 500.
    public init(
        status: UInt16, headers: [(name: HeaderName, value: String)] = [], body: [UInt8] = [], reason: String? = nil,
        flag: ResponseFlag? = nil
    ) {
        self.status = (200...599).contains(status) ? status : 500
        self.headers = headers
        self.body = body
        self.reason = reason
        self.flag = flag
    }

    /// A refusal: the reason in `x-martlet-error` and, as one line of text, in the body.
    public static func refusal(_ status: UInt16, _ reason: String, flag: ResponseFlag? = nil) -> Reply {
        Reply(
            status: status, headers: [(.contentType, "text/plain")], body: Array("\(reason)\n".utf8), reason: reason,
            flag: flag)
    }
}
