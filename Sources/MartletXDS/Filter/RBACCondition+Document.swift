internal import MartletXDSMessages
internal import SwiftProtobuf

private typealias HeaderMatcher = Envoy_Config_Route_V3_HeaderMatcher
private typealias StringMatcher = Envoy_Type_Matcher_V3_StringMatcher

// `when` of a rule: in Envoy a permission, which says what is asked for, and a principal, which says who asks.
//
// No expression is written: Envoy's read UTF-8, and a byte that is none would pass a rule that refuses it.

/// What both are.
private protocol ConditionMessage: Message {
    init(_ condition: RBACTerm<Self>)
    /// Nil: there is nothing in it that our definitions have.
    var term: RBACTerm<Self>? { get }
}

private indirect enum RBACTerm<Item> {
    case all([Item]), any([Item]), not(Item)
    case everybody(Bool)
    case header(HeaderMatcher)
    case path(Envoy_Type_Matcher_V3_PathMatcher)
    /// Of principals alone.
    case client(Envoy_Config_Core_V3_CidrRange), direct(Envoy_Config_Core_V3_CidrRange)
    case authenticated(Envoy_Config_Rbac_V3_Principal.Authenticated)
}

extension Envoy_Config_Rbac_V3_Permission: ConditionMessage {
    fileprivate init(_ condition: RBACTerm<Self>) {
        self.init()
        switch condition {
        case .all(let items): andRules.rules = items
        case .any(let items): orRules.rules = items
        case .not(let item): rule = .notRule(item)
        case .everybody(let isMeant): any = isMeant
        case .header(let matcher): header = matcher
        case .path(let matcher): urlPath = matcher
        // Written for principals only; without a rule nobody takes it.
        case .client, .direct, .authenticated: break
        }
    }

    fileprivate var term: RBACTerm<Self>? {
        switch rule {
        case .andRules(let set): .all(set.rules)
        case .orRules(let set): .any(set.rules)
        case .notRule(let item): .not(item)
        case .any(let isMeant): .everybody(isMeant)
        case .header(let matcher): .header(matcher)
        case .urlPath(let matcher): .path(matcher)
        case nil: nil
        }
    }
}

extension Envoy_Config_Rbac_V3_Principal: ConditionMessage {
    fileprivate init(_ condition: RBACTerm<Self>) {
        self.init()
        switch condition {
        case .all(let items): andIds.ids = items
        case .any(let items): orIds.ids = items
        case .not(let item): identifier = .notID(item)
        case .everybody(let isMeant): any = isMeant
        case .header(let matcher): header = matcher
        case .path(let matcher): urlPath = matcher
        case .client(let range): remoteIp = range
        case .direct(let range): directRemoteIp = range
        case .authenticated(let who): authenticated = who
        }
    }

    fileprivate var term: RBACTerm<Self>? {
        switch identifier {
        case .andIds(let set): .all(set.ids)
        case .orIds(let set): .any(set.ids)
        case .notID(let item): .not(item)
        case .any(let isMeant): .everybody(isMeant)
        case .header(let matcher): .header(matcher)
        case .urlPath(let matcher): .path(matcher)
        case .remoteIp(let range): .client(range)
        case .directRemoteIp(let range): .direct(range)
        case .authenticated(let who): .authenticated(who)
        case nil: nil
        }
    }
}

extension Envoy_Config_Rbac_V3_Policy {
    /// Nil: there are no words for it.
    /// - Parameter isGrant: more is allowed where it holds.
    init?(_ when: DocumentSection, isGrant: Bool) {
        var (what, who) = (DocumentSection(), DocumentSection())
        for entry in when.entries {
            if entry.asksWho { who[entry.key] = entry.value } else { what[entry.key] = entry.value }
        }
        guard let permission = Envoy_Config_Rbac_V3_Permission.written(what, isGrant: isGrant),
            let principal = Envoy_Config_Rbac_V3_Principal.written(who, isGrant: isGrant)
        else { return nil }
        self.init()
        (permissions, principals) = ([permission], [principal])
    }

    /// Nil after reporting what is not understood.
    func condition(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        // Nothing is not everything.
        guard !permissions.isEmpty, !principals.isEmpty else {
            reading.error("\(field): permissions and principals are required")
            return nil
        }
        guard let what = RBACTerm.any(permissions).condition(reading, in: "\(field).permissions"),
            let who = RBACTerm.any(principals).condition(reading, in: "\(field).principals")
        else { return nil }
        return .all([what, who])
    }
}

extension DocumentSection.Entry {
    /// Whether there is something in it that only principals can say.
    fileprivate var asksWho: Bool {
        switch key {
        case "source", "principal": true
        case "and", "or": value.items?.contains { $0.section?.asksWho ?? false } ?? false
        case "not": value.section?.asksWho ?? false
        default: false
        }
    }
}

extension DocumentSection {
    /// Whether the test of a header that may come several times is as strict there. Martlet asks every field; those of names that
    /// it knows well Envoy joins with commas before it asks, and there a second field hides the first.
    fileprivate func asksAlike(isGrant: Bool) -> Bool {
        if self["regex"] != nil { return false }
        if let text = text("contains") { return !text.contains(",") }
        guard let text = text("exact") ?? text("prefix") ?? text("suffix") else { return true }
        return isGrant != (bool("invert") ?? false) && !text.contains(",")
    }

    fileprivate var asksWho: Bool { entries.contains { $0.asksWho } }

    /// All of these, in one condition where each asks for something else.
    fileprivate static func all(_ conditions: [DocumentSection]) -> DocumentSection {
        var whole = DocumentSection()
        for entry in conditions.flatMap(\.entries) {
            switch (whole[entry.key], entry.value) {
            case (.list(let before)?, .list(let items)) where entry.key == "headers":
                whole["headers"] = .list(before + items)
            case (nil, let value): whole[entry.key] = value
            default:
                let parts = conditions.filter { !$0.isEmpty }.map { Document.section($0) }
                return DocumentSection([("and", .list(parts))])
            }
        }
        return whole
    }

    /// One of these.
    fileprivate static func any(_ conditions: [DocumentSection]) -> DocumentSection {
        if conditions.count == 1 { return conditions[0] }
        for key in ["client", "direct"] {
            let lists = conditions.compactMap { condition -> [String]? in
                guard condition.keys == ["source"], let source = condition.section("source") else { return nil }
                return source.keys == [key] ? source.texts(key) : nil
            }
            guard lists.count == conditions.count else { continue }
            return DocumentSection([("source", .object((key, .texts(lists.flatMap { $0 }))))])
        }
        return DocumentSection([("or", .list(conditions.map { .section($0) }))])
    }
}

extension ConditionMessage {
    fileprivate static func written(_ condition: DocumentSection, isGrant: Bool) -> Self? {
        var terms: [Self] = []
        for entry in condition.entries where entry.key != "case_sensitive" {
            guard let term = written(entry, in: condition, isGrant: isGrant) else { return nil }
            terms += term
        }
        switch terms.count {
        case 0: return Self(.everybody(true))
        case 1: return terms[0]
        default: return Self(.all(terms))
        }
    }

    private static func written(
        _ entry: DocumentSection.Entry, in condition: DocumentSection, isGrant: Bool
    ) -> [Self]? {
        switch entry.key {
        case "path":
            let isCaseSensitive = condition.bool("case_sensitive") ?? true
            guard let path = entry.value.section, path["regex"] == nil, let matcher = StringMatcher(path) else {
                return nil
            }
            return [Self(.path(.with { $0.path = matcher.folding(!isCaseSensitive) }))]
        case "methods":
            guard let methods = condition.texts("methods") else { return nil }
            return [Self(.header(HeaderMatcher(methods: methods)))]
        case "headers":
            let tests = entry.value.items?.compactMap(\.section) ?? []
            guard tests.allSatisfy({ $0.asksAlike(isGrant: isGrant) }) else { return nil }
            return tests.map { Self(.header(HeaderMatcher($0))) }
        case "and": return written(list: entry.value, isGrant: isGrant).map { [Self(.all($0))] }
        case "or": return written(list: entry.value, isGrant: isGrant).map { [Self(.any($0))] }
        case "not":
            return entry.value.section.flatMap { written($0, isGrant: !isGrant) }.map { [Self(.not($0))] }
        case "source": return entry.value.section.map { written(source: $0) }
        case "principal": return entry.value.section.flatMap { written(principal: $0) }.map { [$0] }
        default: return nil
        }
    }

    private static func written(list: Document, isGrant: Bool) -> [Self]? {
        let items = list.items?.compactMap(\.section).compactMap { written($0, isGrant: isGrant) } ?? []
        return items.count == list.items?.count ? items : nil
    }

    private static func written(source: DocumentSection) -> [Self] {
        source.entries.map { entry in
            let ranges = (source.texts(entry.key) ?? []).map { Envoy_Config_Core_V3_CidrRange($0) }
            let terms = ranges.map { Self(entry.key == "direct" ? .direct($0) : .client($0)) }
            return terms.count == 1 ? terms[0] : Self(.any(terms))
        }
    }

    private static func written(principal: DocumentSection) -> Self? {
        guard principal.keys == ["tls"], let tls = principal.section("tls") else { return nil }
        var matcher: StringMatcher?
        if tls.isEmpty { matcher = .anyName }
        if tls.keys == ["name"] {
            matcher =
                tls.text("name").map { text in .with { $0.exact = text } } ?? tls.section("name").flatMap { .init($0) }
        }
        guard let matcher, matcher == .anyName || matcher.isOfURI else { return nil }
        return Self(.authenticated(.with { $0.principalName = matcher }))
    }
}

extension RBACTerm where Item: ConditionMessage {
    /// Nil after reporting what is not understood: then the condition is none, and never one that holds.
    func condition(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        switch self {
        case .all(let items): return Self.conditions(items, reading, in: field).map { .all($0) }
        case .any(let items): return Self.conditions(items, reading, in: field).map { .any($0) }
        case .not(let item):
            return Self.conditions([item], reading, in: field).map { DocumentSection([("not", .section($0[0]))]) }
        case .everybody(true): return DocumentSection()
        case .everybody(false):
            reading.unsupported(field, "any: false")
            return nil
        case .header(let header): return Self.condition(header, reading, in: field)
        case .path(let path):
            return path.path.path(reading, in: field)
        case .client(let range): return DocumentSection([("source", .object(("client", .text(range.text))))])
        case .direct(let range): return DocumentSection([("source", .object(("direct", .text(range.text))))])
        case .authenticated(let who): return Self.condition(who, reading, in: field)
        }
    }

    private static func conditions(
        _ items: [Item], _ reading: ResourceReading, in field: String
    ) -> [DocumentSection]? {
        var conditions: [DocumentSection] = []
        for item in items {
            guard let term = item.term else {
                reading.error("\(field): there is nothing in it that Martlet knows")
                return nil
            }
            guard let condition = term.condition(reading, in: field) else { return nil }
            conditions.append(condition)
        }
        if conditions.isEmpty { reading.error("\(field): there is nothing in it") }
        return conditions.isEmpty ? nil : conditions
    }

    private static func condition(
        _ header: HeaderMatcher, _ reading: ResourceReading, in field: String
    ) -> DocumentSection? {
        if header.name == RouteMatchMessage.method, let methods = header.methods {
            return DocumentSection([("methods", .texts(methods))])
        }
        if header.name.hasPrefix(":") {
            reading.unsupported(field, "the header \(header.name) in this form")
            return nil
        }
        return DocumentSection([("headers", .list(header.documents(reading, in: field)))])
    }

    private static func condition(
        _ who: Envoy_Config_Rbac_V3_Principal.Authenticated, _ reading: ResourceReading, in field: String
    ) -> DocumentSection? {
        guard who.hasPrincipalName else {
            // There it is every client by TLS, here it would be one with a certificate.
            reading.unsupported("\(field).authenticated", "nobody's name")
            return nil
        }
        var tls = DocumentSection()
        if who.principalName != .anyName {
            guard who.principalName.isOfURI else {
                reading.error(
                    "\(field).authenticated: a name that may be no URI is not supported",
                    hint: "what else is in a certificate is asked in another order here; exact or prefix: spiffe://...")
                return nil
            }
            guard let (kind, value) = who.principalName.test(reading, in: field) else { return nil }
            tls["name"] = kind == "exact" ? value : .object((kind, value))
        }
        return DocumentSection([("principal", .object(("tls", .section(tls))))])
    }
}

extension StringMatcher {
    /// Of who a certificate is about: that it is somebody.
    fileprivate static let anyName = StringMatcher.with { $0.safeRegex.regex = ".+" }

    /// Whether only a URI can be it. Envoy asks the URIs of a certificate, then its names of hosts, then its subject, and Martlet
    /// the first of these that are there.
    fileprivate var isOfURI: Bool {
        switch matchPattern {
        case .exact(let text), .prefix(let text): text.hasScheme
        default: false
        }
    }

    fileprivate func folding(_ isFolding: Bool) -> Self {
        var matcher = self
        matcher.ignoreCase = isFolding
        return matcher
    }

    /// `path`, with `case_sensitive` where case does not count.
    fileprivate func path(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        var test: Document?
        switch matchPattern {
        case .exact(let text): test = .object(("exact", .text(text)))
        case .prefix(let text): test = .object(("prefix", .text(text)))
        case .safeRegex(let regex):
            if ignoreCase { reading.unsupported(field, "ignore_case of an expression") }
            test = .object(("regex", .text(regex.regex)))
        case .suffix(let text): test = .object(("regex", .text(".*" + text.escapedForExpression)))
        case .contains(let text): test = .object(("regex", .text(".*" + text.escapedForExpression + ".*")))
        case nil: reading.error("\(field): there is no pattern that Martlet knows")
        }
        guard let test else { return nil }
        return DocumentSection([("path", test)] + (ignoreCase ? [("case_sensitive", .bool(false))] : []))
    }
}

extension String {
    /// `spiffe://`, with whatever behind it.
    fileprivate var hasScheme: Bool {
        guard let range = firstRange(of: "://"), let first = utf8.first, isLetter(first) else { return false }
        return self[..<range.lowerBound].utf8.allSatisfy {
            isLetter($0) || (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
        }
    }

    private func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) }

    /// For RE2 and PCRE2 alike: whatever is no letter, digit or more than ASCII stands for itself.
    var escapedForExpression: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar.value > 0x7F
            if !isPlain, scalar != "_" { text += "\\" }
            text.unicodeScalars.append(scalar)
        }
    }
}

extension Envoy_Config_Core_V3_CidrRange {
    /// `10.0.0.0/8`, or an address.
    fileprivate init(_ text: String) {
        self.init()
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        addressPrefix = String(text[..<slash])
        prefixLen = .init(UInt32(text[slash...].dropFirst()) ?? width)
    }

    private var width: UInt32 { addressPrefix.contains(":") ? 128 : 32 }

    fileprivate var text: String {
        // Without a length it is everybody, in Envoy too.
        prefixLen.value == width ? addressPrefix : "\(addressPrefix)/\(prefixLen.value)"
    }
}
