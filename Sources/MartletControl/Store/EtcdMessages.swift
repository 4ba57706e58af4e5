internal import Foundation

// The messages of etcd's gateway that the store uses: proto3 JSON, with 64-bit numbers as text and bytes in base64.

/// A 64-bit number.
struct EtcdNumber: Codable, Sendable, Equatable {
    let value: Int64

    init(_ value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Int64(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not a number: \(text)")
        }
        self.value = value
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }
}

struct EtcdRange: Encodable, Sendable {
    let key: Data
    /// Nil: that key alone. Otherwise all from it to before this one.
    var range_end: Data?
    var limit: EtcdNumber?
    /// As it was then; nil: as it is.
    var revision: EtcdNumber?
}

struct EtcdPut: Encodable, Sendable {
    let key: Data
    let value: Data
    /// It goes when that does.
    var lease: EtcdNumber?
}

struct EtcdDelete: Encodable, Sendable {
    let key: Data
    var range_end: Data?
}

/// A key was last changed at this revision of etcd's; 0: there is none.
struct EtcdCompare: Encodable, Sendable {
    let key: Data
    let mod_revision: EtcdNumber
    let target = "MOD"
    let result = "EQUAL"
}

struct EtcdOperation: Encodable, Sendable {
    var request_range: EtcdRange?
    var request_put: EtcdPut?
    var request_delete_range: EtcdDelete?

    static func range(_ range: EtcdRange) -> EtcdOperation { EtcdOperation(request_range: range) }
    static func put(_ key: Data, _ value: Data, lease: EtcdNumber? = nil) -> EtcdOperation {
        EtcdOperation(request_put: EtcdPut(key: key, value: value, lease: lease))
    }
    static func delete(_ key: Data, before end: Data? = nil) -> EtcdOperation {
        EtcdOperation(request_delete_range: EtcdDelete(key: key, range_end: end))
    }
}

struct EtcdTransaction: Encodable, Sendable {
    var compare: [EtcdCompare] = []
    let success: [EtcdOperation]
}

struct EtcdCompaction: Encodable, Sendable {
    let revision: EtcdNumber
}

struct EtcdHeader: Decodable, Sendable {
    let revision: EtcdNumber
}

struct EtcdPair: Decodable, Sendable {
    let key: Data
    let mod_revision: EtcdNumber
    let create_revision: EtcdNumber?
    /// Left out when it is empty.
    let value: Data?
    /// Left out when there is none.
    let lease: EtcdNumber?
}

struct EtcdRangeResponse: Decodable, Sendable {
    let header: EtcdHeader
    let kvs: [EtcdPair]?
    let more: Bool?
}

struct EtcdTransactionResponse: Decodable, Sendable {
    struct Response: Decodable, Sendable {
        let response_range: EtcdRangeResponse?
    }

    let header: EtcdHeader
    /// Left out when it is false.
    let succeeded: Bool?
    let responses: [Response]?
}

struct EtcdError: Decodable, Sendable {
    let error: String
    let code: Int?
}

struct EtcdEmpty: Decodable, Sendable {}
