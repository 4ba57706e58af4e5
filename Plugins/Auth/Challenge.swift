internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What a client is told that has not proved who it is (RFC 9110 section 11.6.1).
struct Challenge: Sendable {
    private let prefix: String

    /// - Parameters:
    ///   - scheme: `Bearer`, `Basic`.
    ///   - realm: what the credentials are for, as `ConfigScalar.realm` reads it.
    init(_ scheme: String, realm: String) { prefix = "\(scheme) realm=\"\(realm)\"" }

    /// 401 with the reason in words.
    /// - Parameter parameters: what follows the realm, from its comma.
    func reply(_ reason: String, _ parameters: String = "") -> Reply {
        Reply(
            status: 401, headers: [(.contentType, "text/plain"), (Self.header, prefix + parameters)],
            body: Array("\(reason)\n".utf8), reason: reason)
    }

    private static let header = HeaderName(.wwwAuthenticate)
}

extension ConfigScalar where Value == String {
    /// Text that may stand in quotes as it is.
    static var realm: ConfigScalar {
        ConfigScalar<String>.headerValue.checked { text in
            if text.isEmpty { return Problem("must not be empty") }
            return text.utf8.contains { $0 == 0x22 || $0 == 0x5C || $0 > 0x7E }
                ? Problem("a realm is ASCII without quotes and backslashes") : nil
        }
    }
}

extension HeaderName {
    /// Why a filter must not make a request's header of this name; nil when it may.
    var reasonNotToSet: String? {
        switch self {
        case .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .host, .expect:
            "\(self) belongs to the proxy"
        case .cookie, .authorization: "\(self) carries the client's own credentials"
        case .xForwardedFor, .xForwardedHost, .xForwardedProto, .xRequestID, .xMartletError:
            "\(self) has a meaning of its own"
        default: nil
        }
    }
}
