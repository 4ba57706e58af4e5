public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `body_limit`: bounds bodies while they stream. Nothing is held.
public struct BodyLimitKind: FilterKind {
    public let name = "body_limit"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> BodyLimitConfig? { BodyLimitConfig(section) }

    /// A route's limits take the place of the listener's, both of them.
    public func decodeRoute(
        _ section: ConfigSection, _ config: BodyLimitConfig, _ load: LoadContext
    ) -> BodyLimitConfig? { BodyLimitConfig(section) }

    public func makeFilter(_ config: BodyLimitConfig, _ context: FilterContext) -> any Filter {
        BodyLimit(config, context)
    }
}

public struct BodyLimitConfig: Sendable {
    /// Nil: no limit.
    let request: UInt64?
    let response: UInt64?

    init(_ section: ConfigSection) {
        let bounds: ClosedRange<ByteCount> = 0...ByteCount(1 << 50)
        request = section.size("request", in: bounds).map { UInt64($0.bytes) }
        response = section.size("response", in: bounds).map { UInt64($0.bytes) }
        if !section.has("request") && !section.has("response") && !section.isMalformed {
            section.error("limits nothing", hint: "write request: 1MiB, response: 10MiB or both")
        }
    }
}

final class BodyLimit: Filter {
    /// The bytes of bodies whose length was not announced.
    private final class Count {
        let limits: BodyLimitConfig
        var request: UInt64 = 0
        var response: UInt64 = 0
        var countsRequest = false
        var countsResponse = false
        init(_ limits: BodyLimitConfig) { self.limits = limits }
    }

    private let config: BodyLimitConfig
    private let context: FilterContext
    private let slot: Slot<Count>
    private let requestsRefused: Counter
    private let responsesRefused: Counter

    let hooks: Hooks = [.requestHead, .requestBody, .responseHead, .responseBody]

    init(_ config: BodyLimitConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(Count.self)
        requestsRefused = context.counter("body_limit_refused_total", [("direction", "request")])
        responsesRefused = context.counter("body_limit_refused_total", [("direction", "response")])
    }

    private func limits(_ exchange: Exchange) -> BodyLimitConfig {
        context.routeConfig(of: exchange, as: BodyLimitConfig.self) ?? config
    }

    private func count(_ exchange: Exchange, _ limits: BodyLimitConfig) -> Count {
        if let count = exchange[slot] { return count }
        let count = Count(limits)
        exchange[slot] = count
        return count
    }

    // MARK: Request

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let limits = limits(exchange)
        guard let limit = limits.request else { return .next }
        switch exchange.request.body {
        case .none: return .next
        case .exactly(let length):
            // What was announced is what comes: the codec sees to that.
            return length > limit ? refuseRequest() : .next
        case .chunked, .untilClose:
            count(exchange, limits).countsRequest = true
            return .next
        }
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let count = exchange[slot], count.countsRequest, let limit = count.limits.request else { return .next }
        count.request &+= UInt64(chunk.count)
        return count.request > limit ? refuseRequest() : .next
    }

    private func refuseRequest() -> Verdict {
        requestsRefused.add()
        return .reply(.refusal(413, "request-body-too-large"))
    }

    // MARK: Response

    private static let responseReason = "response-body-too-large"

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        // Replies of our own are as long as their filter made them.
        guard exchange.reason == nil else { return .next }
        let limits = limits(exchange)
        guard let limit = limits.response else { return .next }
        switch exchange.response.body {
        case .none: return .next
        case .exactly(let length):
            guard length > limit, exchange.request.method != .head, exchange.response.status != 304 else {
                return .next
            }
            responsesRefused.add()
            return .reply(.refusal(502, Self.responseReason))
        case .chunked, .untilClose:
            count(exchange, limits).countsResponse = true
            return .next
        }
    }

    /// The status is on its way already: all that is left is to break off, which no client takes for a whole response.
    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let count = exchange[slot], count.countsResponse, let limit = count.limits.response else { return .next }
        count.response &+= UInt64(chunk.count)
        guard count.response > limit else { return .next }
        responsesRefused.add()
        exchange.reason = Self.responseReason
        return .reset(.tooLarge)
    }
}
