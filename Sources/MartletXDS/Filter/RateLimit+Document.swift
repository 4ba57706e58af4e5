internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RateLimitMessage = Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit

// `rate_limit`: with `key: none`, one bucket for all. By other keys Envoy's filter counts only those that are listed beforehand.

extension RateLimitMessage: FilterSettings, FilterChange {
    static let filter = "rate_limit"
    static let defaults = DocumentSection([
        ("name", .text("default")), ("per", .duration(.seconds(1))), ("status", .int(429)), ("mode", .word("enforce")),
        ("scope", .word("process")), ("missing", .word("limit")), ("rate_limited_as_resource_exhausted", .bool(false)),
    ])
    /// Envoy fills buckets no faster.
    private static let shortestPeriod = Duration.milliseconds(50)
    private static let all = Envoy_Config_Core_V3_RuntimeFractionalPercent.with { $0.defaultValue = .init(fraction: 1) }

    var isIdle: Bool { !hasTokenBucket }

    init?(settings: DocumentSection) {
        let period = settings.duration("per") ?? .seconds(1)
        guard settings.texts("key") == ["none"], let requests = settings.int("requests"), period >= Self.shortestPeriod,
            let tokens = UInt32(exactly: requests), let burst = UInt32(exactly: settings.int("burst") ?? requests),
            let code = Envoy_Type_V3_StatusCode(known: settings.int("status") ?? 429)
        else { return nil }
        self.init()
        statPrefix = settings.text("name") ?? "default"
        tokenBucket.maxTokens = burst
        tokenBucket.tokensPerFill = .init(tokens)
        tokenBucket.fillInterval = .init(period)
        filterEnabled = Self.all
        if settings.text("mode") != "shadow" { filterEnforced = Self.all }
        if code != .tooManyRequests { status.code = code }
        rateLimitedAsResourceExhausted = settings.bool("rate_limited_as_resource_exhausted") ?? false
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        if localRateLimitPerDownstreamConnection {
            reading.unsupported("\(field).local_rate_limit_per_downstream_connection", "true")
        }
        var settings = DocumentSection()
        let isName = statPrefix.utf8.count <= 64 && statPrefix.utf8.allSatisfy { $0.isNameOfLimit }
        if isName, !statPrefix.isEmpty { settings["name"] = .text(statPrefix) }
        let tokens = tokenBucket.hasTokensPerFill ? tokenBucket.tokensPerFill.value : 1
        // Without a bucket it waits for routes that have one, and counts meanwhile.
        settings["requests"] = .int(hasTokenBucket ? tokens : 1)
        if hasTokenBucket {
            settings["per"] = tokenBucket.fillInterval.document
            if tokenBucket.maxTokens != tokens { settings["burst"] = .int(tokenBucket.maxTokens) }
        }
        settings["key"] = .word("none")
        if hasStatus { settings["status"] = .int(status.code.rawValue) }
        settings["headers"] = .word("off")
        if rateLimitedAsResourceExhausted { settings["rate_limited_as_resource_exhausted"] = .bool(true) }
        guard hasTokenBucket else {
            settings["mode"] = .word("shadow")
            return settings
        }
        switch (filterEnabled.defaultValue.share, filterEnforced.defaultValue.share) {
        case (1, 1): break
        case (0, _), (1, 0): settings["mode"] = .word("shadow")
        default: reading.unsupported(field, "a share of the requests")
        }
        return settings
    }

    // A route's settings are put over the listener's here, and take their place there.

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        guard hasTokenBucket else { return .word("off") }
        guard var settings = settings(reading, in: field) else { return nil }
        (settings["name"], settings["headers"]) = (nil, nil)
        for entry in Self.defaults.entries where settings[entry.key] == nil && entry.key != "name" {
            settings[entry.key] = entry.value
        }
        return .section(settings)
    }
}

extension Envoy_Type_V3_FractionalPercent {
    /// 0 to 1, of those two exactly.
    fileprivate var share: Double {
        let whole: UInt32 =
            switch denominator {
            case .hundred, .UNRECOGNIZED: 100
            case .tenThousand: 10_000
            case .million: 1_000_000
            }
        return min(1, Double(numerator) / Double(whole))
    }
}

extension UInt8 {
    fileprivate var isNameOfLimit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }
}
