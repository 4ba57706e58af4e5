internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a `jwt` filter asks of requests, decoded: its providers, and what of them is needed.
public struct JWTConfig: Sendable {
    let providers: [JWTProvider]
    let standard: JWTRequirement
    /// Headers that clients must not send, on no route.
    let ownHeaders: OwnHeaders
    /// Nil: the listener's name.
    let realm: String?
}

/// What a route needs of a request's tokens.
public struct JWTRequirement: Sendable {
    enum Need: Sendable {
        /// Tokens are not looked at.
        case none
        /// One valid token, of whichever provider.
        case any
        /// A valid token of every provider.
        case all
    }

    var need = Need.any
    /// Numbers of providers, in the order in which they are asked.
    var providers: [Int]
    /// A request without any token passes as nobody's.
    var allowsMissing = false
    /// In place of the providers' own.
    var audiences: [String]?
    /// By number of provider, then of source: what is taken out of a request when that one's token was found there.
    private(set) var removals: [[[CredentialSource]]] = []

    init(_ providers: [Int]) { self.providers = providers }

    /// Prepares the removals. What has not been verified never goes on: it would pass for a token that had been.
    mutating func prepare(_ all: [JWTProvider]) {
        let places = Self.places(of: providers.map { all[$0] })
        removals = all.map { provider in
            provider.settings.sources.map { source in
                provider.settings.forwards ? places.filter { $0 != source } : places
            }
        }
    }

    /// Every place that one of `providers` takes tokens from, once.
    static func places(of providers: [JWTProvider]) -> [CredentialSource] {
        var places: [CredentialSource] = []
        for source in providers.flatMap(\.settings.sources) where !places.contains(source) { places.append(source) }
        return places
    }
}

extension JWTConfig {
    /// Nil after errors were reported.
    init?(_ section: ConfigSection, _ load: LoadContext, _ directory: ProviderDirectory) {
        let reading = JWTReading(load: load, directory: directory)
        let names = ["issuer", "audiences", "jwks"]
        var providers: [JWTProvider?] = []
        if section.has("providers") {
            for name in names where section.has(name) {
                section.error(
                    at: name, "belongs to a provider when there are \"providers\"",
                    hint: "move it below one of them")
                _ = section.raw(name)
            }
            let named = section.section("providers")
            providers = named?.allEntries().map { reading.provider(section.section(of: $0.value), name: $0.key) } ?? []
            if let named, providers.isEmpty { named.error("names no provider", hint: "write name: { issuer: ... }") }
        } else {
            providers = [reading.provider(section, name: nil)]
        }
        realm = section.value("realm", .realm)
        var standard = JWTRequirement(Array(providers.indices))
        standard.read(section)
        guard !section.diagnostics.hasErrors else { return nil }
        self.providers = providers.compactMap { $0 }
        ownHeaders = OwnHeaders(self.providers.flatMap(\.ownHeaders))
        Self.checkHeaders(self.providers, section)
        standard.prepare(self.providers)
        self.standard = standard
    }

    /// A header that two providers set, or that one reads tokens from, would say something else than it seems to.
    private static func checkHeaders(_ providers: [JWTProvider], _ section: ConfigSection) {
        var seen: Set<HeaderName> = []
        let sources = Set(providers.flatMap(\.settings.sources).compactMap(\.header))
        for name in providers.flatMap(\.ownHeaders) {
            if !seen.insert(name).inserted { section.error("header \(name) is set twice", hint: "give each a name") }
            if sources.contains(name) { section.error("header \(name) is both read for tokens and set") }
        }
    }

    /// A route's section. Nil after errors were reported.
    func requirement(_ section: ConfigSection) -> JWTRequirement? {
        var requirement = standard
        requirement.read(section)
        if section.has("providers") {
            requirement.providers = section.list("providers").compactMap { node in
                guard let name = section.read(node, .name) else { return nil }
                let number = providers.firstIndex { $0.settings.name == name }
                if number == nil {
                    section.diagnostics.error(
                        at: node.place, "no provider is called \"\(name.prefix(60))\"",
                        hint: "providers: \(providers.compactMap(\.settings.name).joined(separator: ", "))")
                }
                return number
            }
            if requirement.providers.isEmpty { section.error(at: "providers", "an empty list lets nobody pass") }
        }
        if section.has("audiences") {
            requirement.audiences = section.oneOrMore("audiences", .name)
            if requirement.audiences == [] { section.error(at: "audiences", "an empty list lets nobody pass") }
        }
        requirement.prepare(providers)
        return requirement
    }

    /// For a route that says `off`: tokens are not looked at, but what only the filter may say is still taken from clients.
    var off: JWTRequirement {
        var requirement = standard
        requirement.need = .none
        return requirement
    }
}

extension JWTRequirement {
    fileprivate mutating func read(_ section: ConfigSection) {
        if let need = section.value("require", .need) { self.need = need }
        allowsMissing = section.bool("allow_missing", default: allowsMissing)
        if need == .none, section.bool("allow_missing") == true {
            section.error(at: "allow_missing", "says nothing when no token is required", hint: "remove one of the two")
        }
    }
}

extension ConfigScalar where Value == JWTRequirement.Need {
    fileprivate static var need: ConfigScalar {
        ConfigScalar(expected: "any, all or false", allowsQuotes: false) { text in
            switch text {
            case "any", "true": .success(.any)
            case "all": .success(.all)
            case "false": .success(.none)
            default: .failure(Problem("\"\(text.prefix(60))\" is not any, all or false"))
            }
        }
    }
}
