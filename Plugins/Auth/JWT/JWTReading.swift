internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Reads what a configuration says of providers.
struct JWTReading {
    let load: LoadContext
    let directory: ProviderDirectory

    /// Nil after errors were reported.
    func provider(_ section: ConfigSection, name: String?) -> JWTProvider? {
        var settings = JWTProvider.Settings()
        settings.name = name
        settings.issuers = names(
            "issuer", section, "the `iss` of the tokens", "tokens of every issuer that the keys belong to pass")
        settings.audiences = names(
            "audiences", section, "the names that tokens call this service by",
            "tokens made for other services pass too")
        settings.subjects = section.has("subjects") ? section.oneOrMore("subjects", .name) : nil
        if section.has("algorithms") { settings.algorithms = section.oneOrMore("algorithms", .algorithm) }
        for (key, isEmpty) in [
            ("subjects", settings.subjects == []), ("algorithms", settings.algorithms == []),
        ] where isEmpty {
            section.error(at: key, "an empty list lets nobody pass", hint: "leave it out to take all")
        }
        settings.requiresExpiration = section.bool("require_expiration", default: true)
        settings.maxLifetime = section.duration("max_lifetime", in: .seconds(1)...ConfigSection.longestDuration).map {
            Double(Nanoseconds($0).rawValue) / 1_000_000_000
        }
        let skew = section.duration("clock_skew", default: .seconds(60), in: .zero ... .seconds(3600))
        settings.clockSkew = Double(Nanoseconds(skew).rawValue) / 1_000_000_000
        settings.maxTokenSize =
            section.size("max_token_size", default: .kibibytes(8), in: 256 ... .kibibytes(64)).bytes
        settings.cacheSize = section.int("cache_size", default: 1024, in: 0...1_000_000)
        readSources(section, &settings)
        readHeaders(section, &settings)
        guard let keys = keys(section) else { return nil }
        return directory.provider(JWTProvider(settings, keys))
    }

    /// Nil for `any`, which is also what nothing means; only the former passes without a word.
    private func names(_ key: String, _ section: ConfigSection, _ what: String, _ risk: String) -> [String]? {
        guard section.has(key) else {
            _ = section.raw(key)
            if !section.isMalformed { section.warning(at: key, "no \(key): \(risk)", hint: "write \(what), or any") }
            return nil
        }
        let names = section.oneOrMore(key, .name)
        if names.isEmpty, section.raw(key)?.items?.isEmpty == true {
            section.error(at: key, "an empty list lets nobody pass", hint: "write \(what), or any")
        }
        return names == ["any"] ? nil : names
    }

    // MARK: Tokens and headers

    private func readSources(_ section: ConfigSection, _ settings: inout JWTProvider.Settings) {
        var sources: [CredentialSource] = []
        for node in section.list("from_headers") {
            if node.text != nil {
                if let name = section.read(node, .headerName) { sources.append(.header(name, prefix: [])) }
                continue
            }
            let entry = section.section(of: node)
            let name = entry.headerName(required: "name")
            let prefix = entry.value("prefix", .string) ?? ""
            if let name { sources.append(.header(name, prefix: Array(prefix.utf8).map(\.lowercasedASCII))) }
        }
        sources += section.values("from_params", .parameterName).map { .query($0) }
        sources += section.values("from_cookies", .parameterName).map { .cookie($0) }
        if ["from_headers", "from_params", "from_cookies"].contains(where: section.has) {
            if sources.isEmpty, !section.diagnostics.hasErrors { section.error("takes tokens from nowhere") }
            settings.sources = sources
        }
        for case .header(.authorization, let prefix) in sources where prefix.isEmpty {
            section.error(
                at: "from_headers", "authorization needs a prefix",
                hint: "write { name: authorization, prefix: \"Bearer \" }")
        }
        settings.forwards = section.bool("forward", default: false)
    }

    private func readHeaders(_ section: ConfigSection, _ settings: inout JWTProvider.Settings) {
        settings.payloadHeader = section.headerName("forward_payload_header")
        if let reason = settings.payloadHeader?.reasonNotToSet {
            section.error(at: "forward_payload_header", reason, hint: "take a name of your own")
        }
        guard let headers = section.section("claim_to_headers") else { return }
        for entry in headers.allEntries() {
            let place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
            guard let name = HeaderName(entry.key) else {
                section.diagnostics.error(
                    at: place, "\"\(entry.key.prefix(60))\" is not a header's name", hint: "write header: claim")
                continue
            }
            if let reason = name.reasonNotToSet {
                section.diagnostics.error(at: place, reason, hint: "take a name of your own")
            }
            guard let claim = headers.read(entry.value, .claimPath) else { continue }
            settings.claimHeaders.append(JWTProvider.ClaimHeader(header: name, claim: claim))
        }
    }

    // MARK: Keys

    private static let ways = ["file", "inline", "url", "secret_file"]

    private func keys(_ section: ConfigSection) -> JWTProvider.Keys? {
        guard let jwks = section.section("jwks") else {
            section.missing("jwks", hint: "write jwks: { file: jwks.json }, or { url: ..., cluster: ... }")
            return nil
        }
        jwks.oneOf(Self.ways, required: true)
        if jwks.has("url") { return fetched(jwks) }
        if jwks.has("secret_file") { return secret(jwks) }
        let key = jwks.has("file") ? "file" : "inline"
        // The load watches every file that it reads.
        let text = key == "file" ? jwks.file(key) : jwks.string(key).map { Array($0.utf8) }
        guard let text else { return nil }
        do throws(KeySet.Fault) {
            let keys = try KeySet.read(text.span, allowsSecrets: true)
            for fault in keys.faults { jwks.error(at: key, fault) }
            for reason in keys.ignored { jwks.warning(at: key, "\(reason), and is not used") }
            return .fixed(keys)
        } catch {
            jwks.error(at: key, "the key set \(error.reason)")
            return nil
        }
    }

    private func secret(_ jwks: ConfigSection) -> JWTProvider.Keys? {
        guard let text = jwks.file("secret_file", atMost: 4096) else { return nil }
        let secret = SecretText.bytes(text)
        guard secret.count >= 32 else {
            jwks.error(
                at: "secret_file", "a secret of \(secret.count) bytes is too short",
                hint: "HS256 needs 32, HS384 48, HS512 64: openssl rand -hex 32")
            return nil
        }
        return .fixed(KeySet(secret: secret))
    }

    private func fetched(_ jwks: ConfigSection) -> JWTProvider.Keys? {
        let url = jwks.value("url", .url)
        let cluster = jwks.string(required: "cluster")
        if !cluster.isEmpty, !load.hasCluster(cluster) {
            jwks.error(
                at: "cluster", "no cluster is called \"\(cluster.prefix(60))\"",
                hint: "clusters: \(load.clusterNames.joined(separator: ", "))")
        }
        var settings = RemoteKeys.Settings(
            cluster: cluster, authority: url?.authority ?? "", path: url?.path ?? "")
        settings.refresh = jwks.duration("cache", default: settings.refresh, in: .seconds(1) ... .seconds(86_400))
        settings.timeout = jwks.duration("timeout", default: settings.timeout, in: .milliseconds(1) ... .seconds(60))
        settings.wait = jwks.duration("wait", default: settings.wait, in: .zero ... .seconds(60))
        settings.maxWaiting = jwks.int("max_waiting", default: settings.maxWaiting, in: 0...1_000_000)
        settings.maxSize = jwks.size("max_size", default: settings.maxSize, in: .kibibytes(1) ... .mebibytes(4))
        settings.unknownKeyInterval = jwks.duration(
            "unknown_key_interval", default: settings.unknownKeyInterval, in: .milliseconds(100) ... .seconds(86_400))
        guard url != nil, !jwks.diagnostics.hasErrors else { return nil }
        return .fetched(directory.keys(settings))
    }
}

/// A secret in a file of its own, which editors end with a line end.
enum SecretText {
    static func bytes(_ text: [UInt8]) -> [UInt8] {
        var end = text.count
        if end > 0, text[end - 1] == 0x0A { end -= 1 }
        if end > 0, text[end - 1] == 0x0D { end -= 1 }
        return Array(text[..<end])
    }
}

/// Where keys are: what is asked for, and of whom. How to get there is the cluster's affair.
struct KeyURL {
    let authority: String
    let path: String
}

extension ConfigScalar where Value == KeyURL {
    fileprivate static var url: ConfigScalar {
        ConfigScalar(expected: "a URL such as https://id.example.com/jwks.json") { text in
            guard let scheme = ["https://", "http://"].first(where: text.hasPrefix) else {
                return .failure(Problem("\"\(text.prefix(60))\" is no URL", hint: "https://id.example.com/jwks.json"))
            }
            let rest = text.dropFirst(scheme.count)
            let authority = String(rest.prefix { $0 != "/" && $0 != "?" })
            let tail = rest.dropFirst(authority.count)
            let path = tail.hasPrefix("/") ? String(tail) : "/" + tail
            guard Authority.isValid(authority.utf8Span.span), RequestHead.isSafeTarget(path.utf8Span.span) else {
                return .failure(Problem("\"\(text.prefix(60))\" is no URL that can be asked for"))
            }
            return .success(KeyURL(authority: authority, path: path))
        }
    }
}

extension ConfigScalar where Value == JWTAlgorithm {
    fileprivate static var algorithm: ConfigScalar {
        ConfigScalar(expected: "an algorithm such as RS256") { text in
            if let known = JWTAlgorithm(rawValue: text) { return .success(known) }
            let hint = "valid: \(JWTAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))"
            if text.lowercased() == "none" {
                return .failure(Problem("a token that nobody signed says nothing", hint: hint))
            }
            return .failure(Problem("\"\(text.prefix(60))\" is not known here", hint: hint))
        }
    }
}
