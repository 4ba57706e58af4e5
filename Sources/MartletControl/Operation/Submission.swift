package import MartletConfig

/// Configuration that somebody hands in: files in the configuration language, and what these name.
package struct Submission: Sendable {
    /// `listeners`, `clusters` and `policies`, in YAML.
    package struct File: Sendable {
        /// As the sender calls it; errors are told under this name, and relative paths begin at its folder.
        package var name: String
        package var bytes: [UInt8]

        package init(name: String, bytes: [UInt8]) {
            (self.name, self.bytes) = (name, bytes)
        }
    }

    /// Where what the files describe belongs, unless they say so themselves.
    package var namespace: String
    package var files: [File]
    /// What the files name, by path as resolved from the file that names it: policies, their `tests.yaml`, certificates, keys.
    package var attachments: [String: [UInt8]]
    /// Why, for the history.
    package var message = ""
    /// Nothing is changed if one of the namespaces has changed since this revision.
    package var expected: Revision?
    /// Namespaces that the sender may see and change, and share with; nil: all.
    package var within: Set<String>?

    package init(namespace: String = "default", files: [File], attachments: [String: [UInt8]] = [:]) {
        (self.namespace, self.files, self.attachments) = (namespace, files, attachments)
    }
}

/// What becomes of a document.
package struct DocumentChange: Sendable, Equatable {
    package enum Action: String, Sendable {
        case create, update, delete, unchanged
    }

    package let key: DocumentKey
    package let action: Action
    /// YAML, before and after; nil where there is none.
    package let before: String?
    package let after: String?
}

/// A change that is in the store.
package struct Applied: Sendable {
    package let revision: Revision
    package let changes: [DocumentChange]
    package let warnings: [ConfigError]
}

/// What a change would do.
package struct ChangePlan: Sendable {
    /// What it would do to one proxy that is connected.
    package struct Proxy: Sendable, Equatable {
        package let id: String
        package let namespace: String
        /// `Listener public`, `Cluster api`: by kind and name, with what becomes of each.
        package let resources: [Resource]
        /// Listeners whose connections would drain, for they go or get another address.
        package let drains: [String]
    }

    package struct Resource: Sendable, Equatable {
        package let type: String
        package let name: String
        package let action: DocumentChange.Action
    }

    package let changes: [DocumentChange]
    package let proxies: [Proxy]
    package let warnings: [ConfigError]
}

/// Why something was not done. Nothing was changed, except where it says so.
package enum OperationError: Error, Sendable {
    /// With every mistake.
    case invalid([ConfigError])
    /// Somebody else was faster.
    case conflict(String)
    case notFound(String)
    /// It concerns a namespace that is not the sender's.
    case forbidden(String)
    /// The request itself makes no sense.
    case badRequest(String)
    /// The store failed. Whether the change is there is not known.
    case unavailable(String)
}
