internal import MartletCrypto
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias BasicAuthMessage = Envoy_Extensions_Filters_Http_BasicAuth_V3_BasicAuth
typealias BasicAuthChangeMessage = Envoy_Extensions_Filters_Http_BasicAuth_V3_BasicAuthPerRoute
typealias APIKeyMessage = Envoy_Extensions_Filters_Http_ApiKeyAuth_V3_ApiKeyAuth
typealias APIKeyChangeMessage = Envoy_Extensions_Filters_Http_ApiKeyAuth_V3_ApiKeyAuthPerRoute

// `basic_auth` and `api_key` as others write them. Of Envoy's one takes only {SHA} hashes and the other only keys in the clear,
// which Martlet does not have.

extension BasicAuthMessage: FilterSettings {
    static let filter = "basic_auth"

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        guard let path = reading.path(users, in: "\(field).users") else { return nil }
        var settings = DocumentSection([("htpasswd", .text(path)), ("hide_credentials", .bool(false))])
        if !forwardUsernameHeader.isEmpty { settings["forward_username_header"] = .text(forwardUsernameHeader) }
        return settings
    }
}

extension BasicAuthChangeMessage: FilterChange {
    static let filter = BasicAuthMessage.filter

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        reading.path(users, in: "\(field).users").map { .object(("htpasswd", .text($0))) }
    }
}

extension APIKeyMessage: FilterSettings {
    static let filter = "api_key"

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        var settings = DocumentSection()
        var places: [(key: String, name: String)] = []
        for source in keySources {
            // Envoy looks at the first of these that has a name.
            if !source.header.isEmpty {
                places.append(("header", source.header))
            } else if !source.query.isEmpty {
                places.append(("query", source.query))
            } else {
                places.append(("cookie", source.cookie))
            }
        }
        let order = ["header", "query", "cookie"]
        for key in order {
            let names = places.filter { $0.key == key }.map(\.name)
            if !names.isEmpty { settings[key] = .texts(names) }
        }
        // Of two keys the first that is found says who it is.
        let ranks = places.compactMap { order.firstIndex(of: $0.key) }
        if ranks != ranks.sorted() {
            reading.unsupported("\(field).key_sources", "another order than headers, queries, cookies")
        }
        settings["hide_credentials"] = .bool(forwarding.hideCredentials)
        if !forwarding.header.isEmpty { settings["forward_client_header"] = .text(forwarding.header) }
        if credentials.contains(where: \.key.isEmpty) { reading.error("\(field).credentials: a key is empty") }
        let state = HashState()
        settings["keys"] = .list(
            credentials.map { credential in
                let hash = state.sha256(Array(credential.key.utf8).span)
                return .object(("key_sha256", .text(hash.hexadecimal)), ("client", .text(credential.client)))
            })
        return settings
    }
}

extension APIKeyChangeMessage: FilterChange {
    static let filter = APIKeyMessage.filter

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        guard !allowedClients.isEmpty else {
            reading.error("\(field): it changes nothing")
            return nil
        }
        return .object(("allowed_clients", .texts(allowedClients)))
    }
}

extension SHA256Hash {
    fileprivate var hexadecimal: String {
        String(decoding: bytes.flatMap { [Self.digits[Int($0 >> 4)], Self.digits[Int($0 & 15)]] }, as: UTF8.self)
    }
    private static let digits = Array("0123456789abcdef".utf8)
}
