internal import MartletConfig
internal import MartletCore
internal import MartletCrypto
internal import MartletFilter

/// What an `api_key` filter knows: where keys come, and whose they are. Of the keys themselves only the hashes are kept.
public struct APIKeyConfig: Sendable {
    struct Client: Sendable {
        let identity: Identity
        /// Its name as a header's value.
        let value: [UInt8]
    }

    let sources: [CredentialSource]
    /// A key's hash to the number of its client.
    let keys: [SHA256Hash: Int]
    let clients: [Client]
    /// Who may pass where a route says nothing else; nil is every client.
    let allowed: Set<Int>?
    /// The key does not go on to the upstream.
    let hidesCredentials: Bool
    let clientHeader: HeaderName?
    let ownHeaders: OwnHeaders
    /// Nil: the listener's name.
    let realm: String?

    init(_ section: ConfigSection) {
        var sources = section.oneOrMore("header", .headerName).map {
            // As tokens are sent there, and as clients that know no other way send keys.
            $0 == .authorization ? CredentialSource.bearer : .header($0, prefix: [])
        }
        sources += section.oneOrMore("query", .parameterName).map { .query($0) }
        sources += section.oneOrMore("cookie", .parameterName).map { .cookie($0) }
        if sources.isEmpty, !["header", "query", "cookie"].contains(where: section.has) {
            section.missing("header", hint: "write header: x-api-key, or query or cookie")
        }
        self.sources = sources
        realm = section.value("realm", .realm)
        hidesCredentials = section.bool("hide_credentials", default: true)
        let header = section.headerName("forward_client_header")
        clientHeader = header
        if let header {
            if let reason = header.reasonNotToSet {
                section.error(at: "forward_client_header", reason, hint: "take a name of your own")
            } else if sources.contains(where: { $0.header == header }) {
                section.error(at: "forward_client_header", "header \(header) is both read for keys and set")
            }
        }
        ownHeaders = OwnHeaders(header.map { [$0] } ?? [])
        var reading = KeyReading()
        for entry in section.sections("keys") { reading.add(entry) }
        if !section.has("keys") {
            section.missing("keys", hint: "write keys: [{ key_file: keys/team-a, client: team-a }]")
        } else if reading.keys.isEmpty, !section.diagnostics.hasErrors {
            section.error(at: "keys", "an empty list lets nobody pass")
        }
        keys = reading.keys
        clients = reading.names.map { Client(identity: Identity(.apiKey, name: $0), value: Array($0.utf8)) }
        allowed = Self.allowed(section, reading.names)
    }

    /// What a route's `allowed_clients` says; nil when it says nothing.
    func allowedClients(_ section: ConfigSection) -> Set<Int>? { Self.allowed(section, clients.map(\.identity.name)) }

    private static func allowed(_ section: ConfigSection, _ names: [String]) -> Set<Int>? {
        guard section.has("allowed_clients") else { return nil }
        var allowed: Set<Int> = []
        for node in section.list("allowed_clients") {
            guard let name = section.read(node, .name) else { continue }
            guard let number = names.firstIndex(where: { $0.hasSameBytes(as: name) }) else {
                section.diagnostics.error(
                    at: node.place, "no key is of a client called \"\(name.prefix(60))\"",
                    hint: "clients: \(names.joined(separator: ", "))")
                continue
            }
            allowed.insert(number)
        }
        if section.raw("allowed_clients")?.items?.isEmpty == true {
            section.error(at: "allowed_clients", "an empty list lets nobody pass", hint: "leave it out to allow all")
        }
        return allowed
    }
}

/// Reads the keys of a filter.
private struct KeyReading {
    var keys: [SHA256Hash: Int] = [:]
    var names: [String] = []
    private var lines: [SHA256Hash: Int] = [:]
    private let state = HashState()

    /// Shorter ones can be guessed; longer ones are no keys.
    private static let lengths = 16...4096

    mutating func add(_ section: ConfigSection) {
        let name = section.value(required: "client", .headerValue)
        if section.has("key") {
            _ = section.raw("key")
            section.error(
                at: "key", "a key is not written into the configuration",
                hint: "key_file: the path of a file that holds it, or key_sha256: what `sha256sum` says of it")
            return
        }
        section.oneOf(["key_file", "key_sha256"], required: true)
        guard let hash = section.has("key_file") ? fileHash(section) : section.value("key_sha256", .sha256),
            let name, !name.isEmpty
        else {
            if name?.isEmpty == true { section.error(at: "client", "must not be empty") }
            return
        }
        let nothing: [UInt8] = []
        guard hash != state.sha256(nothing.span) else {
            section.error("the hash of a key without a character", hint: "printf %s \"$KEY\" | sha256sum")
            return
        }
        if let line = lines[hash] {
            section.error("the same key as that of line \(line)", hint: "a key belongs to one client, and stands once")
            return
        }
        lines[hash] = section.place.mark.line
        let number = names.firstIndex { $0.hasSameBytes(as: name) } ?? names.count
        if number == names.count { names.append(name) }
        keys[hash] = number
    }

    private func fileHash(_ section: ConfigSection) -> SHA256Hash? {
        guard let text = section.file("key_file", atMost: 1 << 16) else { return nil }
        let key = SecretText.bytes(text)
        guard Self.lengths.contains(key.count) else {
            section.error(
                at: "key_file",
                "holds \(key.count) bytes; a key has \(Self.lengths.lowerBound) to \(Self.lengths.upperBound)",
                hint: "openssl rand -hex 32")
            return nil
        }
        guard key.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            section.error(at: "key_file", "a key is one line of ASCII without spaces", hint: "openssl rand -hex 32")
            return nil
        }
        return state.sha256(key.span)
    }
}

extension ConfigScalar where Value == SHA256Hash {
    /// Its 64 hexadecimal digits.
    fileprivate static var sha256: ConfigScalar {
        ConfigScalar(expected: "a SHA-256 hash: 64 hexadecimal digits") { text in
            let digits = text.utf8.map(\.hexValue)
            var bytes: [UInt8] = []
            for index in stride(from: 0, to: digits.count - 1, by: 2) {
                guard let high = digits[index], let low = digits[index + 1] else { break }
                bytes.append(high << 4 | low)
            }
            guard digits.count == 64, let hash = SHA256Hash(bytes) else {
                return .failure(
                    Problem("is no SHA-256 hash: 64 hexadecimal digits", hint: "printf %s \"$KEY\" | sha256sum"))
            }
            return .success(hash)
        }
    }
}
