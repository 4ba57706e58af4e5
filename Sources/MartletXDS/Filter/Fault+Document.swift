internal import MartletXDSMessages
internal import SwiftProtobuf

typealias FaultMessage = Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault

// `fault`. One that a header asks for is read, and never written.

extension FaultMessage: FilterSettings, FilterChange {
    static let filter = "fault"
    /// As many as Martlet can count: Envoy has no bound of its own.
    private static let unlimited = 10_000_000
    private static let defaultLimit = 1024
    static let defaults = DocumentSection([("max_active", .int(defaultLimit)), ("from_headers", .bool(false))])
    private static let longestHeaderDelay = Document.duration(.seconds(3600))

    init?(change: DocumentSection) { self.init(settings: change) }

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        settings(reading, in: field).map { .section($0) }
    }

    init?(settings: DocumentSection) {
        // Envoy does what the headers of anybody ask for, Martlet what those of trusted proxies do.
        if settings.bool("from_headers") ?? false { return nil }
        self.init()
        if let delay = settings.section("delay") {
            self.delay = .with {
                $0.percentage = .init(fraction: delay.percent("percent") ?? 0)
                if let time = delay.duration("duration") { $0.fixedDelay = .init(time) }
            }
        }
        if let abort = settings.section("abort") {
            self.abort = .with {
                $0.percentage = .init(fraction: abort.percent("percent") ?? 0)
                if let status = abort.int("status") { $0.httpStatus = UInt32(clamping: status) }
            }
        }
        if let slow = settings.section("response_rate") {
            responseRateLimit = .with {
                $0.percentage = .init(fraction: slow.percent("percent") ?? 0)
                $0.fixedLimit.limitKbps = UInt64((slow.size("rate") ?? 0) / 1024)
            }
        }
        headers = (settings.list("headers") ?? []).compactMap { $0.section.map { .init($0) } }
        guard let limit = UInt32(exactly: settings.int("max_active") ?? Self.defaultLimit) else { return nil }
        maxActiveFaults = .init(limit)
    }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        var settings = DocumentSection()
        var isByHeader: Set<Bool> = []
        if hasDelay {
            var section = DocumentSection()
            switch delay.faultDelaySecifier {
            case .fixedDelay(let time):
                section["duration"] = time.document
                isByHeader.insert(false)
            case .headerDelay: isByHeader.insert(true)
            case nil: reading.error("\(field).delay: there is no delay that Martlet knows")
            }
            section["percent"] = delay.percentage.document
            settings["delay"] = .section(section)
        }
        if hasAbort {
            var section = DocumentSection()
            switch abort.errorType {
            case .httpStatus(let status):
                section["status"] = .int(status)
                isByHeader.insert(false)
            case .headerAbort: isByHeader.insert(true)
            case nil: reading.error("\(field).abort: there is no status that Martlet knows")
            }
            section["percent"] = abort.percentage.document
            settings["abort"] = .section(section)
        }
        if hasResponseRateLimit {
            settings["response_rate"] = .object(
                ("rate", .size(Int(clamping: responseRateLimit.fixedLimit.limitKbps.multipliedClamping(by: 1024)))),
                ("percent", responseRateLimit.percentage.document))
        }
        // One that does nothing waits for routes that say what.
        if settings.isEmpty { settings["abort"] = .object(("status", .int(503)), ("percent", .percent(0))) }
        let tests = headers.flatMap { header -> [Document] in
            if header.name.hasPrefix(":") { reading.unsupported("\(field).headers", header.name) }
            return header.documents(reading, in: "\(field).headers")
        }
        if !tests.isEmpty { settings["headers"] = .list(tests) }
        if isByHeader.count > 1 {
            reading.unsupported(field, "one fault that is asked for by a header beside one that is not")
        }
        if isByHeader == [true] {
            // There it is whoever sends the headers.
            reading.warning("\(field): here only trusted proxies may ask for a fault by a header")
            settings["from_headers"] = .bool(true)
            settings["max_header_delay"] = Self.longestHeaderDelay
        }
        let limit = hasMaxActiveFaults ? Int(maxActiveFaults.value) : Self.unlimited
        // None at all is another filter than one without a bound.
        if !(1...Self.unlimited).contains(limit) { reading.unsupported("\(field).max_active_faults", "\(limit)") }
        if limit != Self.defaultLimit { settings["max_active"] = .int(limit) }
        return settings
    }
}

extension UInt64 {
    fileprivate func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
