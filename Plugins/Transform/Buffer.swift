public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `buffer`: waits for the whole request before any of it goes on.
public struct BufferKind: FilterKind {
    public let name = "buffer"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> BufferConfig? { BufferConfig(section) }

    /// A route's limit takes the place of the listener's.
    public func decodeRoute(_ section: ConfigSection, _ config: BufferConfig, _ load: LoadContext) -> BufferConfig? {
        BufferConfig(section)
    }

    public func makeFilter(_ config: BufferConfig, _ context: FilterContext) -> any Filter { Buffer(config, context) }
}

public struct BufferConfig: Sendable {
    /// A request with a longer body is 413.
    let maxRequestBytes: ByteCount

    init?(_ section: ConfigSection) {
        guard let size = section.value(required: "max_request_bytes", .size(in: 1 ... .mebibytes(1024))) else {
            return nil
        }
        maxRequestBytes = size
    }
}

final class Buffer: Filter {
    /// The body is being waited for. It holds nothing, so one serves every exchange.
    private final class Waiting {}

    private let config: BufferConfig
    private let context: FilterContext
    private let refused: Counter
    private let slot: Slot<Waiting>
    private let waiting = Waiting()

    let hooks: Hooks = [.requestHead, .end]

    init(_ config: BufferConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        refused = context.counter("buffer_refused_total")
        slot = context.slot(Waiting.self)
    }

    private static let reason = "request-body-too-large"

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = context.routeConfig(of: exchange, as: BufferConfig.self) ?? config
        let announced: UInt64 =
            if case .exactly(let length) = exchange.request.body { length } else { 0 }
        let collected = UInt64(exchange.collectedRequestBody?.count ?? 0)
        guard max(announced, collected) <= UInt64(config.maxRequestBytes.bytes) else {
            refused.add()
            return .reply(.refusal(413, Self.reason))
        }
        guard exchange.collectRequestBody(limit: config.maxRequestBytes) else { return .next }
        exchange[slot] = waiting
        return .wait
    }

    /// All of it is here.
    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        exchange[slot] = nil
        return .next
    }

    func onEnd(_ exchange: Exchange) {
        if exchange[slot] != nil && exchange.reason == Self.reason { refused.add() }
    }
}
