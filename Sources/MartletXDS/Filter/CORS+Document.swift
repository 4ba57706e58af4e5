internal import MartletXDSMessages
internal import SwiftProtobuf

typealias CORSMessage = Envoy_Extensions_Filters_Http_Cors_V3_Cors
typealias CORSPolicyMessage = Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy

// `cors` as others write it: the filter says nothing, each host and route says all. Martlet's has the listener's settings in the
// filter, which Envoy's message has no place for.

extension CORSMessage: FilterSettings {
    static let filter = "cors"
    /// No origin is this.
    static let nobody = "regex:[^\\s\\S]"

    var isIdle: Bool { true }

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        DocumentSection([("allow_origins", .text(Self.nobody))])
    }
}

extension CORSPolicyMessage: FilterChange {
    static let filter = CORSMessage.filter
    static let isMerged = true

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        if hasFilterEnabled {
            let share = filterEnabled.defaultValue
            if share.numerator == 0 { return .word("off") }
            if share != .init(fraction: 1) {
                reading.unsupported("\(field).filter_enabled", "a share of the requests")
                return nil
            }
        }
        var settings = DocumentSection()
        let origins = allowOriginStringMatch.compactMap { $0.origin(reading, in: "\(field).allow_origin_string_match") }
        guard origins.count == allowOriginStringMatch.count else { return nil }
        settings["allow_origins"] = .texts(origins.isEmpty ? [CORSMessage.nobody] : origins)
        for (key, text) in [
            ("allow_methods", allowMethods), ("allow_headers", allowHeaders), ("expose_headers", exposeHeaders),
        ] {
            let items = text.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" } }.filter { !$0.isEmpty }
            if !items.isEmpty { settings[key] = .texts(items) }
        }
        if !maxAge.isEmpty {
            guard let seconds = Int64(maxAge), seconds >= 0 else {
                reading.unsupported("\(field).max_age", "what is no number of seconds")
                return nil
            }
            settings["max_age"] = .duration(.seconds(min(seconds, 30 * 86_400)))
        }
        if allowCredentials.value { settings["allow_credentials"] = .bool(true) }
        if allowPrivateNetworkAccess.value { settings["allow_private_network"] = .bool(true) }
        if hasForwardNotMatchingPreflights, !forwardNotMatchingPreflights.value {
            settings["forward_not_matching_preflights"] = .bool(false)
        }
        return .section(settings)
    }
}

extension Envoy_Type_Matcher_V3_StringMatcher {
    /// Nil after reporting that it is none.
    fileprivate func origin(_ reading: ResourceReading, in field: String) -> String? {
        if ignoreCase {
            reading.unsupported(field, "ignore_case")
            return nil
        }
        switch matchPattern {
        case .exact(let text):
            // What Martlet would take for more than that.
            guard text == "*" || !text.contains("*"), !text.hasPrefix("regex:") else {
                reading.unsupported(field, "\"\(text.prefix(60))\"")
                return nil
            }
            return text
        case .prefix(let text): return "regex:\(text.escapedForExpression).*"
        case .suffix(let text): return "regex:.*\(text.escapedForExpression)"
        case .contains(let text): return "regex:.*\(text.escapedForExpression).*"
        case .safeRegex(let regex): return "regex:\(regex.regex)"
        case nil:
            reading.error("\(field): there is no pattern that Martlet knows")
            return nil
        }
    }
}
