package import MartletConfig
package import MartletControl
package import MartletCore

/// What a control plane's process is started with.
package struct ControlConfig: Sendable {
    package enum Store: Sendable {
        /// In a file.
        case file(path: String)
        case etcd(EtcdSettings)
    }

    package struct Audit: Sendable {
        /// Nil: in memory only.
        package var path: String?
        package var isRequired = false
    }

    /// Where proxies come. Default: 127.0.0.1:18000.
    package var xds: XDSSettings
    package var api: APISettings
    package var store: Store
    package var replica: ReplicaSettings
    package var audit: Audit
    /// Where clusters may name files of endpoints, a folder a namespace. Nil: none may.
    package var endpointsFolder: String?
}

/// The door for proxies.
package struct XDSSettings: Sendable {
    package var address: ConfigAddress
    package var tls: ServerTLS?

    package static let defaultAddress = ConfigAddress.ipv4(0x7F00_0001, port: 18000)
}

/// The door for people.
package struct APISettings: Sendable {
    /// Default: 127.0.0.1:18001.
    package var address: ConfigAddress
    package var tls: ServerTLS?
    /// None: everybody who can reach the address is its admin.
    package var tokens: [AccessToken]
    /// Default 8MiB, 64KiB to 64MiB.
    package var bodyLimit: ByteCount

    package static let defaultAddress = ConfigAddress.ipv4(0x7F00_0001, port: 18001)
    package static let defaultBodyLimit = ByteCount.mebibytes(8)

    package init(
        address: ConfigAddress = APISettings.defaultAddress, tls: ServerTLS? = nil, tokens: [AccessToken] = [],
        bodyLimit: ByteCount = APISettings.defaultBodyLimit
    ) {
        (self.address, self.tls, self.tokens, self.bodyLimit) = (address, tls, tokens, bodyLimit)
    }
}

/// A store that several processes share.
package struct EtcdSettings: Sendable {
    package var endpoints: [EtcdEndpoint]
    /// Of all keys. Default: martlet.
    package var prefix: String
}

/// How other processes of this control plane reach this one. With a store in etcd alone.
package struct ReplicaSettings: Sendable {
    /// Of its API. Default: as the API's address says, where that is one that others can use.
    package var url: String?
    /// Who issues the certificates of the others' APIs. Default: those whom the machine trusts.
    package var ca: String?

    package init(url: String? = nil, ca: String? = nil) { (self.url, self.ca) = (url, ca) }
}

/// Certificates by their files.
package struct ServerTLS: Sendable {
    package var certificate: String
    package var privateKey: String
    /// Who issues clients' certificates; with it clients need one.
    package var clientCA: String?
}

extension ConfigAddress {
    /// The address without its port.
    package var host: String {
        switch self {
        case .unix(let path): path
        case .ipv4: String(description.prefix { $0 != ":" })
        case .ipv6: String(description.dropFirst().prefix { $0 != "]" })
        }
    }
}
