internal import MartletXDS

/// Who opened the stream.
package struct ProxyNode: Sendable, Hashable {
    package var id: String
    package var cluster: String

    package init(id: String, cluster: String = "") {
        self.id = id
        self.cluster = cluster
    }
}

/// Why a proxy refused a response (`google.rpc.Status`).
package struct ErrorDetail: Sendable, Equatable {
    package var code: Int32
    package var message: String

    package init(code: Int32 = 3, message: String) {
        self.code = code
        self.message = message
    }
}

/// A request of the state-of-the-world protocol, decoded.
package struct DiscoveryRequest: Sendable {
    package var node: ProxyNode?
    package var typeURL: String
    /// All that the client subscribes to.
    package var names: [String]
    /// What it has accepted last.
    package var version: String
    package var nonce: String
    package var error: ErrorDetail?

    package init(
        node: ProxyNode? = nil, typeURL: String, names: [String] = [], version: String = "", nonce: String = "",
        error: ErrorDetail? = nil
    ) {
        self.node = node
        self.typeURL = typeURL
        self.names = names
        self.version = version
        self.nonce = nonce
        self.error = error
    }
}

/// A request of the incremental protocol, decoded.
package struct DeltaRequest: Sendable {
    package var node: ProxyNode?
    package var typeURL: String
    package var subscribe: [String]
    package var unsubscribe: [String]
    /// What the client has from an earlier stream; of the first request of a type on a stream only.
    package var initialVersions: [String: String]
    package var nonce: String
    package var error: ErrorDetail?

    package init(
        node: ProxyNode? = nil, typeURL: String, subscribe: [String] = [], unsubscribe: [String] = [],
        initialVersions: [String: String] = [:], nonce: String = "", error: ErrorDetail? = nil
    ) {
        self.node = node
        self.typeURL = typeURL
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.initialVersions = initialVersions
        self.nonce = nonce
        self.error = error
    }
}
