internal import MartletConfig
internal import MartletCore

/// One operator of a format, ready to run: names looked up, patterns split.
enum FormatValue: Sendable {
    case request([Source])
    /// Its query taken off.
    case requestWithoutQuery([Source])
    case response([HeaderName])
    case trailer([HeaderName])
    case time([TimePattern.Part])
    /// When the peer's certificate begins or ends; without a pattern as ISO 8601 has it.
    case certificateTime(isEnd: Bool, [TimePattern.Part])
    case metadata([String])
    case filterState([String])
    case claim(ClaimPath)
    /// Nil: whichever there is.
    case identity(Identity.Proof?)
    case grpcStatus(isSnake: Bool)
    /// Of the client's certificate.
    case certificateIdentity
    /// An operator that says all by its name.
    case plain(FormatOperator)

    /// Where `%REQ(...)%` looks.
    enum Source: Sendable {
        case method, target, authority, scheme
        case field(HeaderName)

        init?(_ name: String) {
            switch name {
            case ":method": self = .method
            case ":path": self = .target
            case ":authority", "host": self = .authority
            case ":scheme": self = .scheme
            default:
                guard let name = HeaderName(name) else { return nil }
                self = .field(name)
            }
        }
    }

    init(_ operation: FormatOperator, _ argument: String?, _ alternative: String?) {
        let names = [argument, alternative].compactMap { $0 }
        func path() -> [String] { (argument ?? "").split(separator: ":").map(String.init) }
        switch operation {
        case .request: self = .request(names.compactMap { Source($0) })
        case .requestWithoutQuery: self = .requestWithoutQuery(names.compactMap { Source($0) })
        case .response: self = .response(names.compactMap { HeaderName($0) })
        case .trailer: self = .trailer(names.compactMap { HeaderName($0) })
        case .startTime where argument != nil: self = .time(TimePattern.parse(argument ?? ""))
        case .dynamicMetadata: self = .metadata(path())
        case .filterState: self = .filterState(path())
        case .jwtClaim: self = argument.flatMap { ClaimPath($0) }.map { .claim($0) } ?? .plain(operation)
        case .peerValidFrom, .peerExpires:
            self = .certificateTime(
                isEnd: operation == .peerExpires, TimePattern.parse(argument ?? "%Y-%m-%dT%H:%M:%S.000Z"))
        case .clientIdentity where argument == "tls": self = .certificateIdentity
        case .clientIdentity: self = .identity(argument.flatMap { Identity.Proof(rawValue: $0) })
        case .grpcStatus: self = .grpcStatus(isSnake: argument == "SNAKE_STRING")
        default: self = .plain(operation)
        }
    }
}
