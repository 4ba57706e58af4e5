package import MartletCore

/// What the process does before it has no memory, descriptors or patience left.
package struct OverloadConfig: Sendable, Equatable {
    /// Nil: memory is not watched.
    package var memory: MemoryOverloadConfig? = MemoryOverloadConfig()
    /// Client connections of all listeners together; more are closed at once. Nil: half of the descriptors the process may
    /// open, since each of them may need another towards an upstream. 1 to 10 million.
    package var maxConnections: Int?

    init() {}

    init(_ section: ConfigSection) {
        if section.node["memory"]?.isOff == true {
            _ = section.raw("memory")
            memory = nil
        } else if let memory = section.section("memory") {
            self.memory = MemoryOverloadConfig(memory)
        }
        maxConnections = section.section("connections").flatMap { $0.int("max", in: 1...10_000_000) }
    }
}

/// From which share of its memory on the process does what. Each begins at its share, and ends when `hysteresis` less is in
/// use.
package struct MemoryOverloadConfig: Sendable, Equatable {
    package enum Limit: Sendable, Equatable {
        /// Of what the process may have: its cgroup's limit, or the machine's memory.
        case share(Double)
        case bytes(ByteCount)
    }

    /// Default: 90%. 16MiB or more.
    package var limit = Limit.share(0.9)
    package var disableKeepAlive = 0.85
    package var shrinkBuffers = 0.85
    package var closeIdle = 0.9
    package var refuseConnections = 0.9
    package var refuseRequests = 0.95
    package var resetStreams = 0.98
    package var hysteresis = 0.03

    init() {}

    init(_ section: ConfigSection) {
        limit = section.value("limit", .memoryLimit) ?? limit
        let shares = 0.01...1.0
        disableKeepAlive = section.percent("disable_keepalive", default: disableKeepAlive, in: shares)
        shrinkBuffers = section.percent("shrink_buffers", default: shrinkBuffers, in: shares)
        closeIdle = section.percent("close_idle", default: closeIdle, in: shares)
        refuseConnections = section.percent("refuse_connections", default: refuseConnections, in: shares)
        refuseRequests = section.percent("refuse_requests", default: refuseRequests, in: shares)
        resetStreams = section.percent("reset_streams", default: resetStreams, in: shares)
        hysteresis = section.percent("hysteresis", default: hysteresis, in: 0...0.5)
        if resetStreams < refuseRequests {
            section.error(
                at: section.has("reset_streams") ? "reset_streams" : "refuse_requests",
                "requests under way would be reset before new ones are refused",
                hint: "refuse first: refuse_requests below reset_streams")
        }
    }
}

extension ConfigScalar where Value == MemoryOverloadConfig.Limit {
    /// `80%` or `512MiB`.
    static var memoryLimit: ConfigScalar {
        ConfigScalar(expected: "a percentage such as 80%, or a size such as 512MiB") { text in
            if text.hasSuffix("%") {
                return ConfigScalar<Double>.percent(in: 0.01...1).parse(text).map { .share($0) }
                    .mapError { Problem($0.message, hint: $0.hint) }
            }
            guard text.utf8.first?.isDigit == true else {
                return .failure(Problem("\"\(text.prefix(60))\" is no limit of memory", hint: "write 80%, or 512MiB"))
            }
            return ConfigScalar<ByteCount>.size(in: .mebibytes(16)...ByteCount(1 << 44)).parse(text).map { .bytes($0) }
                .mapError { Problem($0.message, hint: $0.hint) }
        }
    }
}

extension OverloadConfig {
    var json: ConfigJSON {
        .object([
            ("memory", memory.map(\.json) ?? .string("off")),
            ("connections", maxConnections.map { .object([("max", .number($0))]) }),
        ])
    }
}

extension MemoryOverloadConfig {
    fileprivate var json: ConfigJSON {
        func percent(_ share: Double) -> ConfigJSON { .string(ConfigText.percent(share)) }
        let limit: ConfigJSON =
            switch limit {
            case .share(let share): percent(share)
            case .bytes(let bytes): .string(ConfigText.size(bytes))
            }
        return .object([
            ("limit", limit), ("disable_keepalive", percent(disableKeepAlive)),
            ("shrink_buffers", percent(shrinkBuffers)), ("close_idle", percent(closeIdle)),
            ("refuse_connections", percent(refuseConnections)), ("refuse_requests", percent(refuseRequests)),
            ("reset_streams", percent(resetStreams)), ("hysteresis", percent(hysteresis)),
        ])
    }
}
