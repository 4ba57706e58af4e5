package import Foundation
internal import MartletConfig
internal import MartletControl

// What the API and its clients say to each other. In JSON the names are in snake_case; times are as in RFC 3339.

package struct DocumentMessage: Codable, Sendable, Equatable {
    package var namespace: String
    package var kind: String
    package var name: String
    package var revision: Int64
    package var created: Int64
    /// YAML, as apply takes it.
    package var text: String
}

package struct DocumentList: Codable, Sendable {
    package var revision: Int64
    package var documents: [DocumentMessage]
}

package struct ApplyRequest: Codable, Sendable {
    package struct File: Codable, Sendable {
        package var name: String
        package var text: String

        package init(name: String, text: String) { (self.name, self.text) = (name, text) }
    }

    package typealias Attachments = [String: Data]

    package var files: [File]
    /// By path, as resolved from the file that names it; in Base64.
    package var attachments: Attachments?
    package var message: String?
    package var expectedRevision: Int64?

    package init(files: [File], attachments: [String: Data], message: String?, expectedRevision: Int64?) {
        (self.files, self.attachments, self.message) = (files, attachments, message)
        self.expectedRevision = expectedRevision
    }
}

package struct RollbackRequest: Codable, Sendable {
    package var revision: Int64
    package var message: String?

    package init(revision: Int64, message: String?) { (self.revision, self.message) = (revision, message) }
}

package struct DeleteRequest: Codable, Sendable {
    package struct Document: Codable, Sendable {
        package var kind: String
        package var name: String

        package init(kind: String, name: String) { (self.kind, self.name) = (kind, name) }
    }

    package var documents: [Document]
    package var message: String?

    package init(documents: [Document], message: String?) { (self.documents, self.message) = (documents, message) }
}

package struct ChangeMessage: Codable, Sendable, Equatable {
    package var namespace: String
    package var kind: String
    package var name: String
    /// `create`, `update`, `delete` or `unchanged`.
    package var action: String
    package var before: String?
    package var after: String?
}

/// What is wrong at one place.
package struct MistakeMessage: Codable, Sendable, Equatable {
    package var severity: String
    package var file: String
    package var line: Int
    package var column: Int
    package var path: String
    package var message: String
    package var hint: String?
    /// As `martlet check` prints it.
    package var text: String
}

package struct AppliedMessage: Codable, Sendable {
    package var revision: Int64
    package var changes: [ChangeMessage]
    package var warnings: [MistakeMessage]
}

package struct PlanMessage: Codable, Sendable {
    package struct Proxy: Codable, Sendable, Equatable {
        package var id: String
        package var namespace: String
        package var resources: [Resource]
        /// Listeners whose connections would drain.
        package var drains: [String]
    }

    package struct Resource: Codable, Sendable, Equatable {
        package var type: String
        package var name: String
        package var action: String
    }

    package var changes: [ChangeMessage]
    package var proxies: [Proxy]
    package var warnings: [MistakeMessage]
}

package struct VersionMessage: Codable, Sendable {
    package var revision: Int64
    package var author: String
    package var message: String
    package var time: String
    package var deleted: Bool
}

package struct HistoryMessage: Codable, Sendable {
    package var versions: [VersionMessage]
}

package struct TransactionMessage: Codable, Sendable {
    package struct Change: Codable, Sendable {
        package var namespace: String
        package var kind: String
        package var name: String
        package var deleted: Bool
    }

    package var revision: Int64
    package var author: String
    package var message: String
    package var time: String
    package var changes: [Change]
}

package struct LogMessage: Codable, Sendable {
    package var transactions: [TransactionMessage]
}

package struct ProxyMessage: Codable, Sendable {
    package struct Feed: Codable, Sendable {
        package var type: String
        package var sentVersion: String?
        package var acknowledgedVersion: String?
        /// As the proxy reports it.
        package var appliedVersion: String?
        /// Resources that it has accepted and that wait there for what they mention: the first hundred.
        package var waiting: [String]?
        package var refusal: String?
        /// Resources that are kept back until the proxy has what they mention.
        package var withheld: [String]
    }

    /// What the proxy says of its traffic. Rates are of the last seconds.
    package struct Report: Codable, Sendable {
        package struct Policy: Codable, Sendable {
            package var name: String
            package var version: String?
            package var runs: UInt64
            package var errors: UInt64
            package var budgetBreaches: UInt64
            package var shadowDecisions: UInt64
        }

        /// How old the newest is.
        package var ageMilliseconds: Int64
        package var requestsPerSecond: Double?
        /// Of responses; 0 to 1.
        package var errorShare: Double?
        package var medianMilliseconds: Double?
        package var p99Milliseconds: Double?
        package var waiting: Int
        /// Counts since the proxy started; of one proxy, not of a list.
        package var policies: [Policy]?
    }

    package var id: String
    package var cluster: String
    package var namespace: String
    package var zone: String
    package var labels: [String: String]
    package var agent: String
    package var method: String
    package var address: String
    package var connectedAt: String
    /// `synced`, `pending` or `refused`.
    package var state: String
    package var sentRevision: Int64
    package var acknowledgedRevision: Int64
    package var appliedRevision: Int64?
    /// `reported` by the proxy; or `acknowledged`, by one that does not report: it may wait for more before it is used.
    package var appliedBy: String?
    package var lagMilliseconds: Int64?
    package var feeds: [Feed]
    package var report: Report?
    /// That it is connected to, where there may be several.
    package var replica: String?
}

package struct ProxyList: Codable, Sendable {
    package var revision: Int64
    package var proxies: [ProxyMessage]
    /// Where there may be several; the one that answers first.
    package var replicas: [ReplicaStatusMessage]?
}

package struct AuditList: Codable, Sendable {
    package var entries: [AuditEntry]
}

package struct FailureMessage: Codable, Sendable {
    package struct Failure: Codable, Sendable {
        package var code: String
        package var message: String
        package var errors: [MistakeMessage]
    }

    package var error: Failure
}

/// How messages are written and read.
package enum APICoding {
    package static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    package static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    /// - Parameter milliseconds: since 1970.
    static func time(_ milliseconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(milliseconds) / 1000)
            .ISO8601Format(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
