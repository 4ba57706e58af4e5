// MartletGRPC is what gRPC says on top of HTTP: statuses, message frames, content types, timeouts, gRPC-Web, and the few protobuf
// messages the proxy itself speaks. It does no I/O and knows no exchange: who answers and who calls is MartletFilter's and
// MartletProxy's.

package import MartletCore

/// How a gRPC call ended: `grpc-status`. Numbers beyond the named ones are kept as they came.
public struct GRPCStatus: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let ok = GRPCStatus(rawValue: 0)
    public static let cancelled = GRPCStatus(rawValue: 1)
    public static let unknown = GRPCStatus(rawValue: 2)
    public static let invalidArgument = GRPCStatus(rawValue: 3)
    public static let deadlineExceeded = GRPCStatus(rawValue: 4)
    public static let notFound = GRPCStatus(rawValue: 5)
    public static let alreadyExists = GRPCStatus(rawValue: 6)
    public static let permissionDenied = GRPCStatus(rawValue: 7)
    public static let resourceExhausted = GRPCStatus(rawValue: 8)
    public static let failedPrecondition = GRPCStatus(rawValue: 9)
    public static let aborted = GRPCStatus(rawValue: 10)
    public static let outOfRange = GRPCStatus(rawValue: 11)
    public static let unimplemented = GRPCStatus(rawValue: 12)
    public static let `internal` = GRPCStatus(rawValue: 13)
    public static let unavailable = GRPCStatus(rawValue: 14)
    public static let dataLoss = GRPCStatus(rawValue: 15)
    public static let unauthenticated = GRPCStatus(rawValue: 16)

    /// The value of a `grpc-status` field; nil when it is no number.
    package init?(_ field: Span<UInt8>) {
        guard let number = field.decimal(), let rawValue = UInt32(exactly: number) else { return nil }
        self.rawValue = rawValue
    }

    /// What a fields' table says; nil when it says nothing that can be read.
    package init?(in fields: HeaderTable) {
        guard let field = fields.first(id: .grpcStatus), let status = GRPCStatus(field) else { return nil }
        self = status
    }

    /// What an HTTP status without a `grpc-status` means to a client (gRPC's http-grpc-status-mapping; Envoy's local replies).
    package init(http status: UInt16) {
        self =
            switch status {
            case 400: .internal
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
    }

    private static let names: [(snake: StaticString, camel: StaticString)] = [
        ("OK", "OK"), ("CANCELLED", "Canceled"), ("UNKNOWN", "Unknown"), ("INVALID_ARGUMENT", "InvalidArgument"),
        ("DEADLINE_EXCEEDED", "DeadlineExceeded"), ("NOT_FOUND", "NotFound"), ("ALREADY_EXISTS", "AlreadyExists"),
        ("PERMISSION_DENIED", "PermissionDenied"), ("RESOURCE_EXHAUSTED", "ResourceExhausted"),
        ("FAILED_PRECONDITION", "FailedPrecondition"), ("ABORTED", "Aborted"), ("OUT_OF_RANGE", "OutOfRange"),
        ("UNIMPLEMENTED", "Unimplemented"), ("INTERNAL", "Internal"), ("UNAVAILABLE", "Unavailable"),
        ("DATA_LOSS", "DataLoss"), ("UNAUTHENTICATED", "Unauthenticated"),
    ]

    /// How many statuses have a name: 0 and up.
    package static var named: Int { names.count }

    /// `DEADLINE_EXCEEDED`; nil for a status that has no name.
    package var snakeName: StaticString? { rawValue < Self.names.count ? Self.names[Int(rawValue)].snake : nil }
    /// `DeadlineExceeded`, as Envoy's logs have it; nil for a status that has no name.
    package var camelName: StaticString? { rawValue < Self.names.count ? Self.names[Int(rawValue)].camel : nil }
}

extension GRPCStatus: CustomStringConvertible {
    public var description: String { snakeName?.description ?? String(rawValue) }
}
