internal import MartletConfig
internal import MartletCore
internal import MartletFilter

extension [TextTest] {
    /// Whether one of them holds.
    func match(_ text: String) -> Pattern.Outcome {
        var result = Pattern.Outcome.differs
        for test in self {
            switch test.match(text.utf8Span.span) {
            case .matches: return .matches
            case .differs: continue
            case .gaveUp: result = .gaveUp
            }
        }
        return result
    }
}

/// A test of who a request is proved to be from. Without such proof no test holds.
struct IdentityTest: Sendable {
    private enum Subject: Sendable {
        /// That there is the proof.
        case proof
        case name
        case provider
        case claim(ClaimPath)
    }

    private let proof: Identity.Proof
    private let subject: Subject
    /// One of these.
    private let tests: [TextTest]

    func match(_ exchange: Exchange) -> Pattern.Outcome {
        guard let identity = exchange.identity(proof) else { return .differs }
        switch subject {
        case .proof: return .matches
        case .name: return match(identity.name)
        case .provider: return match(identity.provider)
        case .claim(let path): return match(identity.claims.flatMap { path.value(in: $0) }, path)
        }
    }

    private func match(_ text: String?) -> Pattern.Outcome {
        if let text { return tests.match(text) }
        return Pattern.Outcome(
            tests.contains {
                if case .matches = $0.matchOfNothing { return true }
                return false
            })
    }

    private func match(_ claim: JSONValue?, _ path: ClaimPath) -> Pattern.Outcome {
        switch claim {
        case .array(let items):
            var result = Pattern.Outcome.differs
            for item in items {
                switch item {
                // A list of lists is nothing that anybody issues.
                case .array: continue
                default: break
                }
                switch match(item, path) {
                case .matches: return .matches
                case .differs: continue
                case .gaveUp: result = .gaveUp
                }
            }
            return result
        case .string(let text): return path.isWordList ? match(words: text) : match(text)
        case .bool(let value): return match(value ? "true" : "false")
        case .integer(let value): return match(String(value))
        // There, but with no text to compare: only `present` can hold.
        case .number, .object:
            return Pattern.Outcome(
                tests.contains {
                    if case .present(true) = $0 { return true }
                    return false
                })
        case .null, nil: return match(nil)
        }
    }

    /// RFC 8693 section 4.2: scopes are one text with spaces between.
    private func match(words text: String) -> Pattern.Outcome {
        let bytes = text.utf8Span.span
        var result = Pattern.Outcome.differs
        var start = 0
        while start <= bytes.count {
            let end = bytes.firstIndex(of: 0x20, from: start) ?? bytes.count
            let word = bytes.extracting(start..<end)
            for test in tests where !word.isEmpty {
                switch test.match(word) {
                case .matches: return .matches
                case .differs: continue
                case .gaveUp: result = .gaveUp
                }
            }
            start = end + 1
        }
        return result
    }
}

extension IdentityTest {
    /// All of them must hold.
    static func list(_ section: ConfigSection, _ load: LoadContext) -> [IdentityTest] {
        var list: [IdentityTest] = []
        if let claims = section.section("jwt_claim") {
            require(.jwt, "jwt_claim", section, load)
            let entries = claims.allEntries()
            if entries.isEmpty && !claims.isMalformed {
                claims.error("names no claim", hint: "write jwt_claim: { role: admin }, or jwt: {} for any token")
            }
            for entry in entries {
                let path = ConfigScalar<ClaimPath>.claimPath.parse(entry.key)
                if case .failure(let problem) = path {
                    section.diagnostics.error(
                        at: ConfigPlace(mark: entry.keyMark, path: entry.value.path), problem.message,
                        hint: problem.hint)
                }
                guard case .success(let path) = path, let tests = tests(entry.value, section) else { continue }
                list.append(IdentityTest(proof: .jwt, subject: .claim(path), tests: tests))
            }
        }
        for (proof, keys) in [
            (Identity.Proof.jwt, [("issuer", Subject.claim(.issuer)), ("subject", .name), ("provider", .provider)]),
            (.apiKey, [("client", .name)]), (.basicAuth, [("user", .name)]),
        ] {
            guard let node = section.raw(proof.rawValue) else { continue }
            require(proof, proof.rawValue, section, load)
            let inner = section.section(of: node)
            list.append(IdentityTest(proof: proof, subject: .proof, tests: []))
            for (key, subject) in keys {
                guard let value = inner.raw(key), let tests = tests(value, inner) else { continue }
                list.append(IdentityTest(proof: proof, subject: subject, tests: tests))
            }
        }
        if (section.node.entries ?? []).isEmpty && !section.isMalformed {
            section.error(
                "names nobody",
                hint:
                    "write jwt_claim: { role: admin }, or jwt: {} or tls: {} for whoever has a valid token or certificate"
            )
        }
        return list
    }

    /// Where nothing proves it, a rule that asks for it never holds: one that denies would guard nothing.
    private static func require(
        _ proof: Identity.Proof, _ key: String, _ section: ConfigSection, _ load: LoadContext
    ) {
        guard !load.proofs.contains(proof) else { return }
        section.error(
            at: key, "no filter before this one proves it: the rule would never hold",
            hint: "put \"\(proof.rawValue)\" before \"rbac\" in the listener's filters")
    }

    /// `admin`, `[admin, owner]`, or how to compare: `{ prefix: team- }`. Nil after reporting what is wrong.
    static func tests(_ node: ConfigNode, _ section: ConfigSection) -> [TextTest]? {
        switch node.content {
        case .mapping:
            let inner = section.section(of: node)
            guard let match = TextMatch(inner, ["exact", "prefix", "suffix", "contains", "regex", "present"]) else {
                return nil
            }
            return TextTest(match, section.diagnostics).map { [$0] }
        case .list(let items):
            if items.isEmpty {
                section.diagnostics.error(
                    at: node.place, "an empty list matches nothing", hint: "write { present: true } for any value")
            }
            let texts = items.compactMap { section.read($0, .string) }
            return texts.count == items.count ? texts.map { .exact(Array($0.utf8)) } : nil
        case .scalar, .null: return section.read(node, .string).map { [.exact(Array($0.utf8))] }
        }
    }
}

extension ClaimPath {
    fileprivate static let issuer = ClaimPath(name: "iss")

    /// The claim is one text with words in it.
    fileprivate var isWordList: Bool { text == "scope" || text == "scp" }
}
