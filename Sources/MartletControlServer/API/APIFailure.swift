package import MartletConfig
internal import MartletControl

/// Why a request is not done, as it is answered.
package struct APIFailure: Error, Sendable {
    package let status: Int
    /// For programs.
    package let code: String
    /// For people.
    package let message: String
    package var errors: [ConfigError] = []

    init(_ status: Int, _ code: String, _ message: String, errors: [ConfigError] = []) {
        (self.status, self.code, self.message, self.errors) = (status, code, message, errors)
    }

    static func badRequest(_ message: String) -> APIFailure { APIFailure(400, "bad_request", message) }
    static func forbidden(_ message: String) -> APIFailure { APIFailure(403, "forbidden", message) }
    static func notFound(_ message: String) -> APIFailure { APIFailure(404, "not_found", message) }

    static let unauthorized = APIFailure(
        401, "unauthorized", "a known token is needed: Authorization: Bearer TOKEN")

    static func tooLarge(_ limit: Int) -> APIFailure {
        APIFailure(413, "too_large", "the body is larger than \(limit) bytes, which `api.max_body` allows")
    }

    static let unsupported = APIFailure(
        415, "unsupported_media_type", "the body must be JSON: Content-Type: application/json, not compressed")

    /// What was thrown while a request was answered.
    init(_ error: any Error) {
        switch error {
        case let failure as APIFailure: self = failure
        case let error as OperationError: self.init(operation: error)
        case let error as RegistryError: self.init(registry: error)
        case let error as StoreError: self.init(400, "bad_request", error.description)
        // What is inside of other errors may be anything.
        default: self.init(500, "internal", "an error of the control plane itself; its log has more")
        }
    }

    private init(registry error: RegistryError) {
        let (status, code) =
            switch error {
            case .invalid: (400, "bad_request")
            case .notRegistered: (404, "not_registered")
            case .full, .crowded: (409, "conflict")
            case .unavailable: (503, "unavailable")
            }
        self.init(status, code, error.description)
    }

    private init(operation error: OperationError) {
        switch error {
        case .invalid(let errors):
            let count = errors.count == 1 ? "a mistake" : "\(errors.count) mistakes"
            self.init(
                422, "invalid_configuration", "the configuration has \(count); nothing was changed", errors: errors)
        case .conflict(let why): self.init(409, "conflict", why)
        case .notFound(let what): self.init(404, "not_found", "not there: \(what)")
        case .badRequest(let why): self.init(400, "bad_request", why)
        case .forbidden(let what): self.init(403, "forbidden", "the token is not for " + what)
        case .unavailable(let why): self.init(503, "unavailable", why)
        }
    }
}
