public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `stamp`: reads one request header and sets another. What is measured.
public struct StampKind: FilterKind {
    public let name = "stamp"

    public init() {}

    public struct Config: Sendable {
        let from: HeaderName
        let to: HeaderName
    }

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> Config? {
        guard let from = section.headerName("from") ?? HeaderName("x-from"),
            let to = section.headerName("to") ?? HeaderName("x-to")
        else { return nil }
        return Config(from: from, to: to)
    }

    public func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter { Stamp(config) }
}

final class Stamp: Filter {
    let hooks: Hooks = [.requestHead]
    private let config: StampKind.Config

    init(_ config: StampKind.Config) { self.config = config }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.request.headers
        if let value = headers.string(config.from) { headers.set(config.to, value) }
        return .next
    }
}
