internal import MartletCore

/// `grpc.health.v1`: what the standard health service is asked and answers.
package enum HealthMessages {
    package static let path = "/grpc.health.v1.Health/Check"

    /// Of `HealthCheckResponse`, field 1.
    package enum Serving: UInt64, Sendable {
        case unknown = 0
        case serving = 1
        case notServing = 2
        case serviceUnknown = 3
    }

    /// `HealthCheckRequest`: the service in field 1; empty asks for the server as a whole.
    package static func request(service: String) -> [UInt8] {
        var writer = WireWriter()
        writer.text(1, service)
        return writer.bytes
    }

    /// What a `HealthCheckResponse` says; a number that is not known counts as `unknown`.
    package static func response(_ message: Span<UInt8>) throws(WireFault) -> Serving {
        var reader = WireReader(message)
        var serving = Serving.unknown
        while let field = try reader.field(message) {
            if field.number == 1 { serving = Serving(rawValue: try field.value.number()) ?? .unknown }
        }
        return serving
    }
}
