import MartletCore
import MartletHTTP

/// What a decoder made of some bytes, in a form that compares.
enum Transcript {
    /// Feeds `bytes` to a request decoder in pieces that end at `cuts`, and writes down every event.
    static func request(_ bytes: [UInt8], cuts: [Int] = [], limits: HTTP1Limits = HTTP1Limits()) -> [String] {
        var decoder = HTTP1RequestDecoder(limits: limits)
        let head = RequestHead()
        let trailers = HeaderTable()
        return run(bytes, cuts) { input in
            decoder.decode(input, into: head, trailers: trailers)
        } describe: {
            var text = "\(head.methodBytes().string()) \(head.target().string()) \(head.version) \(head.body)"
            text += head.keepsAlive ? " keep" : " close"
            if head.asksForUpgrade { text += " upgrade" }
            if head.expectsContinue { text += " expect" }
            text += fields(head.headers)
            head.reset()
            return text
        } end: {
            defer { trailers.reset() }
            return fields(trailers)
        }
    }

    static func response(
        _ bytes: [UInt8], cuts: [Int] = [], method: Method = .get, upgrade: Bool = false, closes: Bool = false
    ) -> [String] {
        var decoder = HTTP1ResponseDecoder(limits: HTTP1Limits())
        decoder.expect(requestMethod: method, askedForUpgrade: upgrade)
        let head = ResponseHead()
        let trailers = HeaderTable()
        var events = run(bytes, cuts) { input in
            decoder.decode(input, into: head, trailers: trailers)
        } describe: {
            let text =
                "\(head.status) \(head.reason()?.string() ?? "-") \(head.body) \(head.keepsAlive ? "keep" : "close")"
                + fields(head.headers)
            head.reset()
            return text
        } end: {
            defer { trailers.reset() }
            return fields(trailers)
        }
        if closes { events.append(decoder.connectionClosed() ? "closed whole" : "closed short") }
        return events
    }

    private static func fields(_ table: HeaderTable) -> String {
        (0..<table.count).map { " |\(table.name(at: $0).string()): \(table.value(at: $0).string())" }.joined()
    }

    private static func run(
        _ bytes: [UInt8], _ cuts: [Int], _ decode: (Span<UInt8>) -> HTTP1Step, describe: () -> String,
        end: () -> String
    ) -> [String] {
        var events: [String] = []
        var body = ""
        var held: [UInt8] = []
        var start = 0
        for cut in cuts + [bytes.count] {
            held.append(contentsOf: bytes[start..<cut])
            start = cut
            piece: while !held.isEmpty {
                let input = held
                let step = decode(input.span)
                switch step.event {
                case .needMore:
                    held.removeFirst(step.consumed)
                    break piece
                case .head(let endsHere): events.append(describe() + (endsHere ? " ." : ""))
                case .informational: events.append("informational " + describe())
                case .upgraded:
                    events.append("upgraded " + describe())
                    return events
                case .body(let range, let last):
                    // Pieces are the decoder's affair; what they add up to is not.
                    body += String(decoding: input[range], as: UTF8.self)
                    if last {
                        events.append("body \(body).")
                        body = ""
                    }
                case .end:
                    events.append("body \(body)." + end())
                    body = ""
                case .failed(let fault):
                    events.append("failed \(fault)")
                    return events
                }
                held.removeFirst(step.consumed)
            }
        }
        if !body.isEmpty { events.append("body \(body)...") }
        return events
    }
}
