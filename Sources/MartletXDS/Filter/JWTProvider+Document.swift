internal import MartletXDSMessages
internal import SwiftProtobuf

private typealias JWTHeader = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtHeader

// One provider of `jwt`, or the settings of a filter that has only one.

extension Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtProvider {
    /// Where Lua policies find the claims, in both.
    private static let metadata = "jwt_payload"
    private static let skew = 60
    private static let cache = Duration.seconds(600)
    private static let timeout = Duration.seconds(5)
    /// Where Envoy looks for tokens when nothing is said, and where Martlet does.
    private static let authorization = JWTHeader.with { ($0.name, $0.valuePrefix) = ("Authorization", "Bearer ") }
    private static let parameter = "access_token"

    /// Nil: there are no words for it, or they mean another thing. Headers that say what the token says are Martlet's to set: it
    /// takes them from clients in every spelling, on every route. Envoy does so for the provider that it asks.
    init?(_ section: DocumentSection) {
        guard section["claim_to_headers"] == nil, section["forward_payload_header"] == nil else { return nil }
        self.init()
        issuer = section.text("issuer").flatMap { $0 == "any" ? nil : $0 } ?? ""
        audiences = section.texts("audiences").flatMap { $0 == ["any"] ? nil : $0 } ?? []
        if let subject = section.texts("subjects")?.first { subjects.exact = subject }
        requireExpiration = section.bool("require_expiration") ?? true
        let skew = section.duration("clock_skew") ?? .seconds(Self.skew)
        // None at all is there what nothing means.
        guard skew.components.attoseconds == 0, let seconds = UInt32(exactly: skew.components.seconds), seconds > 0
        else {
            return nil
        }
        clockSkewSeconds = seconds
        fromHeaders = (section.list("from_headers") ?? []).map { header in
            .with {
                $0.name = header.text ?? header.section?.text("name") ?? ""
                $0.valuePrefix = header.section?.text("prefix") ?? ""
            }
        }
        fromParams = section.texts("from_params") ?? []
        fromCookies = section.texts("from_cookies") ?? []
        if fromHeaders.isEmpty, fromParams.isEmpty, fromCookies.isEmpty { fromHeaders = [Self.authorization] }
        forward = section.bool("forward") ?? false
        payloadInMetadata = Self.metadata
        let keys = section.section("jwks") ?? DocumentSection()
        if let text = keys.text("inline") {
            localJwks.inlineString = text
        } else if let url = keys.text("url"), let cluster = keys.text("cluster") {
            remoteJwks = .with {
                ($0.httpUri.uri, $0.httpUri.cluster) = (url, cluster)
                $0.httpUri.timeout = .init(keys.duration("timeout") ?? Self.timeout)
                $0.cacheDuration = .init(keys.duration("cache") ?? Self.cache)
                $0.asyncFetch = .init()
            }
        } else {
            return nil
        }
    }

    /// Nil after reporting why there is none.
    func section(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        guard let keys = keys(reading, in: field) else { return nil }
        var section = DocumentSection()
        section["issuer"] = .text(issuer.isEmpty ? "any" : issuer)
        section["audiences"] = audiences.isEmpty ? .text("any") : .texts(audiences)
        section["jwks"] = .section(keys)
        if hasSubjects {
            if case .exact(let subject) = subjects.matchPattern, !subjects.ignoreCase {
                section["subjects"] = .text(subject)
            } else {
                reading.unsupported("\(field).subjects", "anything but exact")
            }
        }
        if !requireExpiration { section["require_expiration"] = .bool(false) }
        // There it bounds what is left of a token's life, here the whole of it.
        if hasMaxLifetime { reading.unsupported("\(field).max_lifetime", "a bound on what is left") }
        if clockSkewSeconds != 0, clockSkewSeconds != UInt32(Self.skew) {
            section["clock_skew"] = .duration(.seconds(Int64(clockSkewSeconds)))
        }
        readSources(&section)
        if forward { section["forward"] = .bool(true) }
        if !forwardPayloadHeader.isEmpty { section["forward_payload_header"] = .text(forwardPayloadHeader) }
        if !["", Self.metadata].contains(payloadInMetadata) {
            reading.unsupported("\(field).payload_in_metadata", "another name than \(Self.metadata)")
        }
        var claims = DocumentSection()
        for claim in claimToHeaders {
            if claims[claim.headerName] != nil {
                reading.unsupported("\(field).claim_to_headers", "two claims for \(claim.headerName)")
            }
            claims[claim.headerName] = .text(claim.claimName)
        }
        section.put("claim_to_headers", claims)
        return section
    }

    private func readSources(_ section: inout DocumentSection) {
        var (headers, parameters) = (fromHeaders, fromParams)
        if headers.isEmpty, parameters.isEmpty, fromCookies.isEmpty {
            (headers, parameters) = ([Self.authorization], [Self.parameter])
        }
        guard headers != [Self.authorization] || !parameters.isEmpty || !fromCookies.isEmpty else { return }
        if !headers.isEmpty {
            section["from_headers"] = .list(
                headers.map { header in
                    header.valuePrefix.isEmpty
                        ? .text(header.name)
                        : .object(("name", .text(header.name)), ("prefix", .text(header.valuePrefix)))
                })
        }
        if !parameters.isEmpty { section["from_params"] = .texts(parameters) }
        if !fromCookies.isEmpty { section["from_cookies"] = .texts(fromCookies) }
    }

    private func keys(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        switch jwksSourceSpecifier {
        case .remoteJwks(let remote):
            var keys = DocumentSection()
            keys["url"] = .text(remote.httpUri.uri)
            keys["cluster"] = .text(remote.httpUri.cluster)
            if remote.hasCacheDuration, remote.cacheDuration != .init(Self.cache) {
                keys["cache"] = remote.cacheDuration.document
            }
            if remote.httpUri.hasTimeout, remote.httpUri.timeout != .init(Self.timeout) {
                keys["timeout"] = remote.httpUri.timeout.document
            }
            return keys
        case .localJwks(let source):
            if case .inlineString(let text) = source.specifier { return DocumentSection([("inline", .text(text))]) }
            return reading.path(source, in: "\(field).local_jwks").map { DocumentSection([("file", .text($0))]) }
        case nil:
            reading.error("\(field): there are no keys that Martlet can find")
            return nil
        }
    }
}
