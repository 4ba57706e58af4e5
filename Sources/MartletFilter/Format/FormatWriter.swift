package import MartletCore
internal import MartletHTTP

/// Renders formats on one worker.
///
/// Three kinds of text, and what keeps a value from being more than a value in each: in a line, control characters, quotes
/// and backslashes are `\x0a`; in JSON they are escaped as JSON has it; in a field (a header's value), control characters are
/// spaces (RFC 9110 section 5.5), and white space at its ends is cut.
package struct FormatWriter {
    package enum Style {
        case line, field
        /// As it is, for whoever encodes it further: never to be sent so.
        case raw
    }

    /// What is known of the exchange beside what it says itself.
    package struct Scene {
        /// From its start until now, or until its end.
        package var duration: Nanoseconds
        /// It is over: what was not sent will not be.
        package var isOver: Bool
        /// The reply's body, while a local reply is made.
        package var replyBody: [UInt8]
        /// What the client asked for in a handshake that passes through.
        package var serverName: String?

        package init(duration: Nanoseconds, isOver: Bool, replyBody: [UInt8] = [], serverName: String? = nil) {
            self.duration = duration
            self.isOver = isOver
            self.replyBody = replyBody
            self.serverName = serverName
        }
    }

    var line = LineBuffer()
    private var time = LogTime()
    private var style = Escaping.line
    /// Where a value is written before its limit cuts it, inside of JSON.
    private var scratch = LineBuffer()

    enum Escaping { case line, field, json, raw }

    package init() {}

    // MARK: Rendering

    /// Adds the text to `out`; what has no value is `-`, in a JSON text `null` or `-`.
    package mutating func append(_ format: Format, of exchange: Exchange, _ scene: Scene, to out: inout LineBuffer) {
        swap(&line, &out)
        style = format.isJSON ? .json : .line
        for step in format.steps {
            switch step {
            case .literal(let text): line.append(bytes: text)
            case .value(let value, let limit):
                if !append(value, exchange, scene, limit) { line.append(0x2D) }
            case .json(let value, let isNumber, let limit):
                let start = line.count
                if !isNumber { line.append(0x22) }
                if !append(value, exchange, scene, limit) {
                    line.truncate(to: start)
                    line.append("null")
                } else if !isNumber {
                    line.append(0x22)
                }
            }
        }
        swap(&line, &out)
    }

    /// The text alone, in `rendered`; what has no value is nothing. A local of the caller's keeps the bytes while it edits.
    package mutating func render(
        _ format: Format, of exchange: Exchange, _ scene: Scene, as wanted: Style
    ) -> [UInt8] {
        line.removeAll()
        style = wanted == .field ? .field : .raw
        for step in format.steps {
            switch step {
            case .literal(let text): line.append(bytes: text)
            case .value(let value, let limit), .json(let value, _, let limit):
                _ = append(value, exchange, scene, limit)
            }
        }
        if style == .field { line.trim() }
        return line.bytes
    }

    /// Writes one value; false when it has none.
    private mutating func append(
        _ value: FormatValue, _ exchange: Exchange, _ scene: Scene, _ limit: Int?
    ) -> Bool {
        guard let limit, style == .json else {
            let start = line.count
            write(value, exchange, scene)
            if let limit { line.truncate(from: start, to: limit) }
            return line.count > start
        }
        // Cut first, escaped then: half an escape is no JSON.
        style = .raw
        swap(&line, &scratch)
        line.removeAll()
        write(value, exchange, scene)
        line.truncate(from: 0, to: limit)
        swap(&line, &scratch)
        style = .json
        let bytes = scratch.bytes
        line.append(json: bytes.span)
        return !bytes.isEmpty
    }

    // MARK: Values

    /// Text from outside, made harmless for where it stands.
    mutating func put(_ text: Span<UInt8>) {
        switch style {
        case .line: line.append(text: text)
        case .field: line.append(field: text)
        case .json: line.append(json: text)
        case .raw: line.append(bytes: text)
        }
    }

    mutating func put(_ text: String) { put(text.utf8Span.span) }

    mutating func put(_ wall: WallClock) { time.append(wall, to: &line) }
}
