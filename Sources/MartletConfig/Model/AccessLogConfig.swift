/// Where finished exchanges are written down, which of them, and how.
package struct AccessLogConfig: Sendable {
    package enum Format: Sendable {
        /// One object a line, with the fields of Docs/Config.md.
        case json
        /// The line's parts in order; a newline is added.
        case text([FormatPart])
        /// One object a line, with fields of the operator's own.
        case fields(JSONTemplate)
    }

    /// A file that is appended to; `/dev/stdout`, which is the default, and `/dev/stderr` work.
    package var path: String
    package var place: ConfigPlace
    /// `json`, `text` (the field's usual line), a text with `%OPERATORS%`, or `{ json: {...} }`. Default: json.
    package var format: Format
    /// Which exchanges. Nil: all.
    package var filter: LogCondition?

    /// The line the field knows, and what `format: text` writes.
    package static let defaultText =
        #"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% "#
        + #"%BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "#
        + #""%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#

    package static let defaultPath = "/dev/stdout"
    /// Most logs of one listener.
    static let maxLogs = 16
}

/// What an exchange must be to be logged: everything that is written must hold.
package indirect enum LogCondition: Sendable {
    case all([LogCondition])
    case any([LogCondition])
    case not(LogCondition)
    /// The response's status; 0 when the client was sent none.
    case status(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// One of these response flags, in letters; none named: any flag at all.
    case flags([String])
    /// What a route may ask of a request.
    case request(RouteMatch)
    /// A share of exchanges, drawn for each.
    case share(Double)
    /// The exchange's trace is recorded.
    case traced(Bool)
}
