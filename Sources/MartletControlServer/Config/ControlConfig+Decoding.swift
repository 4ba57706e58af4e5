internal import Foundation
package import MartletConfig
internal import MartletControl
internal import MartletCore
internal import MartletCrypto
internal import NIOSSL

extension ControlConfig {
    /// Nil after errors were reported.
    package static func load(file: String, diagnostics: ConfigDiagnostics) -> ControlConfig? {
        do {
            let bytes = try diagnostics.files.read(file, atMost: 1 << 20)
            return parse(bytes, file: file, diagnostics: diagnostics)
        } catch {
            let mark = ConfigMark(file: file, line: 1, column: 1)
            diagnostics.add(ConfigError(mark: mark, path: "", message: "cannot read the file: \(error.reason)"))
            return nil
        }
    }

    /// As `load`, of a text. Relative paths in it are relative to the folder of `file`.
    package static func parse(_ bytes: [UInt8], file: String, diagnostics: ConfigDiagnostics) -> ControlConfig? {
        guard let root = YAMLDocument.read(bytes, file: file, diagnostics: diagnostics) else { return nil }
        let section = ConfigSection(root, diagnostics: diagnostics)
        let config = ControlConfig(section)
        section.finish()
        return diagnostics.hasErrors ? nil : config
    }

    private init(_ section: ConfigSection) {
        xds = section.section("xds").map { XDSSettings($0) } ?? XDSSettings(address: XDSSettings.defaultAddress)
        let api = section.section("api").map { APISettings($0) } ?? APISettings()
        self.api = api
        store = section.section("store").map { Store($0) } ?? .file(path: "")
        if !section.has("store") { section.missing("store", hint: "store: { path: martlet.db }") }
        endpointsFolder = section.path("endpoints_folder")
        replica = section.section("replica").map { ReplicaSettings($0, api: api) } ?? ReplicaSettings()
        audit = section.section("audit").map { Audit($0) } ?? Audit()
        checkReplica(section)
    }

    private func checkReplica(_ section: ConfigSection) {
        guard case .etcd = store else {
            if section.has("replica") {
                section.error(
                    at: "replica", "a store in a file is of one process: there are no others",
                    hint: "leave it out, or store: { etcd: { endpoints: [...] } }")
            }
            return
        }
        guard replica.url == nil, !api.address.isReachable else { return }
        section.warning(
            at: section.has("replica") ? "replica" : "api",
            "other replicas do not know where this one's API is: \"status\" there does without its proxies, and rollouts do not go on",
            hint: "replica: { url: \"\(api.tls == nil ? "http" : "https")://10.0.0.5:18001\" }")
    }
}

extension ControlConfig.Store {
    fileprivate init(_ section: ConfigSection) {
        section.oneOf(["path", "etcd"], required: true)
        guard let etcd = section.section("etcd") else {
            self = .file(path: section.path("path") ?? "")
            return
        }
        _ = section.raw("path")
        let prefix = etcd.value("prefix", .label) ?? "martlet"
        let security = etcd.section("tls").flatMap { EtcdSecurity($0) }
        let endpoints = etcd.list("endpoints").compactMap { etcd.read($0, .hostAndPort) }
        if !etcd.has("endpoints") {
            etcd.missing("endpoints", hint: "endpoints: [\"127.0.0.1:2379\"]")
        } else if etcd.node["endpoints"]?.items?.isEmpty == true {
            etcd.error(at: "endpoints", "there are none", hint: "endpoints: [\"127.0.0.1:2379\"]")
        }
        let members = endpoints.map { EtcdEndpoint(host: $0.host, port: $0.port, security: security) }
        if !etcd.has("tls"), !endpoints.allSatisfy({ ["127.0.0.1", "::1", "localhost"].contains($0.host) }) {
            etcd.warning(
                at: "endpoints", "what the store holds, keys too, can be read on the way to etcd",
                hint: "tls: { ca: etcd-ca.pem, certificate: me.pem, private_key: me.key }")
        }
        self = .etcd(EtcdSettings(endpoints: members, prefix: prefix))
    }
}

extension EtcdSecurity {
    /// Nil after an error was reported.
    fileprivate init?(_ section: ConfigSection) {
        let (ca, certificate, key) = (section.path("ca"), section.path("certificate"), section.path("private_key"))
        if section.has("certificate") != section.has("private_key") {
            section.missing(section.has("certificate") ? "private_key" : "certificate", hint: "they belong together")
        }
        if let key, let state = try? section.diagnostics.files.readWithState(key, atMost: 1 << 20).1 {
            section.checkPrivate("private_key", key, state.mode)
        }
        do {
            try self.init(ca: ca, certificate: certificate, privateKey: key)
        } catch {
            section.error("these files cannot be used: \(error)")
            return nil
        }
    }
}

extension ReplicaSettings {
    fileprivate init(_ section: ConfigSection, api: APISettings) {
        let url = section.string("url")
        let ca = section.path("ca")
        if let url {
            let parts = URLComponents(string: url)
            if !["http", "https"].contains(parts?.scheme) || parts?.host?.isEmpty ?? true
                || parts?.path.isEmpty != true || parts?.query != nil || parts?.fragment != nil || parts?.user != nil
            {
                section.error(
                    at: "url", "\"\(url.prefix(200))\" is not where this one's API can be",
                    hint: "write \(api.tls == nil ? "http" : "https")://10.0.0.5:18001")
            } else if parts?.scheme == "http", !["127.0.0.1", "::1", "[::1]", "localhost"].contains(parts?.host ?? "") {
                section.warning(
                    at: "url", "what replicas tell each other can be read on the way",
                    hint: "api: { tls: { certificate: ..., private_key: ... } }")
            }
        }
        if let ca {
            do { _ = try NIOSSLCertificate.fromPEMFile(ca) } catch {
                section.error(at: "ca", "\(ca) has no certificates that can be read", hint: "expected a PEM file")
            }
        }
        self.init(url: url, ca: ca)
    }
}

extension ConfigAddress {
    /// Others can come to what it says, from this machine at least.
    fileprivate var isReachable: Bool {
        switch self {
        case .unix: false
        case .ipv4, .ipv6: !["0.0.0.0", "::"].contains(host)
        }
    }
}

extension ControlConfig.Audit {
    fileprivate init(_ section: ConfigSection) {
        path = section.path("path")
        isRequired = section.bool("required", default: false)
        if isRequired, path == nil {
            section.error(at: "required", "has no meaning without \"path\"", hint: "path: audit.jsonl")
        }
    }
}

extension XDSSettings {
    fileprivate init(_ section: ConfigSection) {
        address =
            section.value("address", ConfigAddress.scalar(ports: 0...65535)) ?? XDSSettings.defaultAddress
        if case .unix = address {
            section.error(at: "address", "proxies come over TCP", hint: "write 127.0.0.1:18000")
        }
        tls = section.section("tls").flatMap { ServerTLS($0) }
        if !address.isLoopback, tls?.clientCA == nil {
            section.warning(
                at: "address", "whoever can reach it is told the configuration, and the keys in it",
                hint: "tls: { certificate: ..., private_key: ..., client_ca: ... }")
        }
    }
}

extension APISettings {
    fileprivate init(_ section: ConfigSection) {
        let address = section.value("address", ConfigAddress.scalar(ports: 0...65535)) ?? Self.defaultAddress
        self.init(
            address: address, tls: section.section("tls").flatMap { ServerTLS($0) },
            tokens: section.sections("tokens").compactMap { AccessToken($0) },
            bodyLimit: section.size(
                "max_body", default: Self.defaultBodyLimit, in: .kibibytes(64) ... .mebibytes(64)))
        if section.node["tokens"]?.items?.isEmpty ?? true, !address.isLoopback {
            section.error(
                at: "address",
                "without tokens everybody who can reach it is its admin, so it must be of this machine alone",
                hint:
                    "write 127.0.0.1:\(address.port ?? 18001), or tokens: [{ name: ops, role: admin, token_file: ops.token }]"
            )
        }
        if !tokens.isEmpty, !address.isLoopback, tls == nil {
            section.warning(
                at: "address", "tokens can be read on the way", hint: "tls: { certificate: ..., private_key: ... }")
        }
        checkNames(section)
    }

    private func checkNames(_ section: ConfigSection) {
        var seen: Set<String> = []
        for item in section.node["tokens"]?.items ?? [] {
            guard let name = item["name"]?.text else { continue }
            if !seen.insert(name).inserted {
                section.diagnostics.error(
                    at: item["name"]?.place ?? item.place, "two tokens are called \"\(name.prefix(60))\"")
            }
        }
        var hashes: Set<SHA256Hash> = []
        for token in tokens where !hashes.insert(token.hash).inserted {
            section.error(
                at: "tokens", "the token \"\(token.caller.name)\" is another one's too",
                hint: "make one for each: openssl rand -hex 32")
        }
    }
}

extension ServerTLS {
    /// Nil after something was reported missing.
    fileprivate init?(_ section: ConfigSection) {
        let certificate = section.path("certificate")
        let key = section.path("private_key")
        clientCA = section.path("client_ca")
        for name in ["certificate", "private_key"] where !section.has(name) {
            section.missing(name, hint: "expected the path of a PEM file")
        }
        for (name, path) in [("certificate", certificate), ("private_key", key), ("client_ca", clientCA)] {
            guard let path else { continue }
            do {
                let (_, state) = try section.diagnostics.files.readWithState(path, atMost: 1 << 20)
                if name == "private_key" { section.checkPrivate(name, path, state.mode) }
            } catch {
                section.error(at: name, "cannot read \"\(path)\": \(error.reason)")
            }
        }
        guard let certificate, let key else { return nil }
        (self.certificate, privateKey) = (certificate, key)
        if !section.diagnostics.hasErrors {
            do {
                _ = try server()
            } catch {
                section.error("these files cannot be used: \(error)")
            }
        }
    }
}

extension ConfigSection {
    fileprivate func checkPrivate(_ key: String, _ path: String, _ mode: UInt32) {
        guard mode & 0o027 != 0 else { return }
        error(
            at: key, "\(path) may be read or changed by others (mode \(String(mode, radix: 8)))",
            hint: "chmod 600 \(path)")
    }

    /// The hash of the token that a file holds.
    fileprivate func tokenFile(_ key: String) -> SHA256Hash? {
        guard let path = path(key) else { return nil }
        do {
            let (bytes, state) = try diagnostics.files.readWithState(path, atMost: AccessToken.maxLength + 2)
            checkPrivate(key, path, state.mode)
            let token = bytes.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed()
            guard token.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                error(at: key, "the token has characters that no header can carry", hint: "openssl rand -hex 32")
                return nil
            }
            guard token.count >= AccessToken.minLength else {
                error(
                    at: key, "the token has \(token.count) characters and can be guessed",
                    hint: "at least \(AccessToken.minLength): openssl rand -hex 32")
                return nil
            }
            return AccessToken.hash(of: token)
        } catch {
            self.error(at: key, "cannot read \"\(path)\": \(error.reason)")
            return nil
        }
    }
}

extension AccessToken {
    fileprivate init?(_ section: ConfigSection) {
        let name = section.value(required: "name", .label)
        if !section.has("role") { section.missing("role", hint: "expected one of read, write, admin") }
        let role: Role? = section.choice("role")
        var namespaces: Set<String>?
        if section.has("namespaces") {
            namespaces = Set(section.strings("namespaces"))
            if namespaces?.isEmpty == true {
                section.error(at: "namespaces", "a token for no namespace is for nothing", hint: "leave it out for all")
            }
        }
        section.oneOf(["token_file", "sha256"], required: true)
        let hash = section.tokenFile("token_file") ?? section.value("sha256", .hash)
        if name == Caller.local.name {
            section.error(at: "name", "\"local\" is who comes where there are no tokens", hint: "name it otherwise")
        }
        if name == Caller.replica.name {
            section.error(at: "name", "\"replica\" is what replicas call each other", hint: "name it otherwise")
        }
        guard let name, let role, let hash else { return nil }
        self.init(Caller(name: name, role: role, namespaces: namespaces), hash: hash)
    }
}

extension ConfigScalar where Value == SHA256Hash {
    fileprivate static var hash: ConfigScalar {
        ConfigScalar(expected: "a SHA-256 hash in 64 hexadecimal digits") { text in
            let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
            guard text.utf8.count == 64, digits.count == 64,
                let hash = SHA256Hash(stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
            else {
                // What stands here may be a token: it is not repeated.
                return .failure(
                    Problem("is not a SHA-256 hash in 64 hexadecimal digits", hint: "printf %s TOKEN | sha256sum"))
            }
            return .success(hash)
        }
    }
}

extension ConfigScalar where Value == (host: String, port: Int) {
    fileprivate static var hostAndPort: ConfigScalar {
        ConfigScalar(expected: "host:port") { text in
            guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
                let port = UInt16(text[text.index(after: colon)...]), port > 0
            else { return .failure(Problem("\"\(text.prefix(80))\" is not host:port", hint: "write 127.0.0.1:2379")) }
            let host = text[..<colon]
            return .success(
                (
                    host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : String(host),
                    Int(port)
                ))
        }
    }
}
