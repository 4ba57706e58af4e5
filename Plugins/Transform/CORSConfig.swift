internal import MartletConfig
internal import MartletCore
internal import MartletFilter

public struct CORSConfig: Sendable {
    let origins: CORSOrigins
    let allowsCredentials: Bool
    let allowsPrivateNetwork: Bool
    /// Upstream may answer preflights of origins that are not allowed here, and say who may read its answers.
    let forwardsNotMatchingPreflights: Bool
    /// `access-control-expose-headers`; nil leaves upstream's.
    let exposedHeaders: String?
    /// The same for responses of gRPC, whose clients look for its status.
    let exposedGRPCHeaders: String
    /// What a preflight's answer says besides who may read.
    let preflightFields: [(name: HeaderName, value: String)]

    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection) {
        let patterns = section.oneOrMore("allow_origins", .originPattern)
        if !section.has("allow_origins") {
            section.missing("allow_origins", hint: "write [\"https://www.example.com\", \"https://*.example.com\"]")
        } else if section.raw("allow_origins")?.items?.isEmpty == true {
            section.error(at: "allow_origins", "an empty list allows no origin", hint: "remove the filter")
        }
        let origins = CORSOrigins(patterns, at: section.place(of: "allow_origins"), section.diagnostics)
        allowsCredentials = section.bool("allow_credentials", default: false)
        allowsPrivateNetwork = section.bool("allow_private_network", default: false)
        forwardsNotMatchingPreflights = section.bool("forward_not_matching_preflights", default: true)
        let methods = section.oneOrMore("allow_methods", .methodOrStar)
        let allowed = section.oneOrMore("allow_headers", .headerNameOrStar)
        let exposed = section.oneOrMore("expose_headers", .headerNameOrStar)
        let maxAge = section.duration("max_age", in: .zero ... .seconds(30 * 86_400))
        exposedHeaders = exposed.isEmpty ? nil : exposed.joined(separator: ", ")
        let known = exposed.map { $0.lowercased() }
        exposedGRPCHeaders =
            known.contains("*")
            ? "*"
            : (exposed + ["grpc-status", "grpc-message"].filter { !known.contains($0) }).joined(separator: ", ")
        var fields: [(name: HeaderName, value: String)] = []
        if !methods.isEmpty { fields.append((CORSField.allowMethods, methods.joined(separator: ", "))) }
        if !allowed.isEmpty { fields.append((CORSField.allowHeaders, allowed.joined(separator: ", "))) }
        if let maxAge { fields.append((CORSField.maxAge, String(maxAge.components.seconds))) }
        preflightFields = fields
        if let maxAge, maxAge.components.attoseconds != 0 {
            section.error(at: "max_age", "is counted in seconds", hint: "write whole ones")
        }
        if allowsCredentials {
            Self.refuseStars(
                section,
                [
                    ("allow_origins", patterns.contains { $0.isAny }), ("allow_methods", methods.contains("*")),
                    ("allow_headers", allowed.contains("*")), ("expose_headers", exposed.contains("*")),
                ])
            if patterns.contains(where: { $0.isNull }) {
                section.error(
                    at: "allow_origins", "null with allow_credentials lets every site read what users see",
                    hint: "any page can make a frame whose origin is null: remove null or allow_credentials")
            }
        }
        guard let origins else { return nil }
        self.origins = origins
    }

    /// Fetch standard, section 3.2.5: with credentials a star is no wildcard, and browsers refuse the answer.
    private static func refuseStars(_ section: ConfigSection, _ keys: [(key: String, hasStar: Bool)]) {
        for (key, hasStar) in keys where hasStar {
            section.error(
                at: key, "* means nothing with allow_credentials: browsers refuse it",
                hint: "write them out, or remove allow_credentials")
        }
    }
}

/// The fields that browsers and servers talk about origins with.
enum CORSField {
    static let requestMethod = HeaderName(known: "access-control-request-method")
    static let requestPrivateNetwork = HeaderName(known: "access-control-request-private-network")
    static let allowOrigin = HeaderName(known: "access-control-allow-origin")
    static let allowCredentials = HeaderName(known: "access-control-allow-credentials")
    static let allowMethods = HeaderName(known: "access-control-allow-methods")
    static let allowHeaders = HeaderName(known: "access-control-allow-headers")
    static let exposeHeaders = HeaderName(known: "access-control-expose-headers")
    static let maxAge = HeaderName(known: "access-control-max-age")
    static let allowPrivateNetwork = HeaderName(known: "access-control-allow-private-network")
    static let ofResponses = [
        allowOrigin, allowCredentials, allowMethods, allowHeaders, exposeHeaders, maxAge, allowPrivateNetwork,
    ]
}

extension ConfigScalar where Value == String {
    fileprivate static var methodOrStar: ConfigScalar {
        ConfigScalar(expected: "a method such as GET") { $0 == "*" ? .success($0) : ConfigScalar.method.parse($0) }
    }

    fileprivate static var headerNameOrStar: ConfigScalar {
        ConfigScalar(expected: "a header's name") { text in
            text == "*"
                ? .success(text)
                : ConfigScalar<HeaderName>.headerName.parse(text).map { "\($0)" }
                    .mapError { Problem($0.message, hint: $0.hint) }
        }
    }
}
