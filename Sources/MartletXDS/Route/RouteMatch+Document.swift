internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RouteMatchMessage = Envoy_Config_Route_V3_RouteMatch

// `match`, without `hosts`.

extension RouteMatchMessage {
    static let method = ":method"
    static let authority = ":authority"

    init(_ match: DocumentSection) {
        self.init()
        let path = match.section("path") ?? DocumentSection()
        if let text = path.text("exact") {
            self.path = text
        } else if let text = path.text("regex") {
            safeRegex.regex = text
        } else if let text = path.text("path_separated_prefix") {
            // Envoy takes none that ends with a slash, and at the root the two are the same.
            if text == "/" { prefix = text } else { pathSeparatedPrefix = text }
        } else {
            // Empty: every path, and what has none.
            prefix = path.text("prefix") ?? ""
        }
        if let isCaseSensitive = match.bool("case_sensitive") { caseSensitive = .init(isCaseSensitive) }
        if let methods = match.texts("methods") { headers.append(.init(methods: methods)) }
        headers += (match.list("headers") ?? []).compactMap { $0.section.map { .init($0) } }
        queryParameters = (match.list("query") ?? []).compactMap { $0.section.map { .init($0) } }
        if let tls = match.section("tls") {
            if let presented = tls.bool("presented") { tlsContext.presented = .init(presented) }
            if let validated = tls.bool("validated") { tlsContext.validated = .init(validated) }
        }
    }

    func document(_ reading: ResourceReading) -> DocumentSection {
        var match = DocumentSection()
        switch pathSpecifier {
        case .path(let text): match["path"] = .object(("exact", .text(text)))
        case .prefix(let text): if !text.isEmpty { match["path"] = .object(("prefix", .text(text))) }
        case .safeRegex(let regex): match["path"] = .object(("regex", .text(regex.regex)))
        case .pathSeparatedPrefix(let text): match["path"] = .object(("path_separated_prefix", .text(text)))
        case nil: reading.error("match: there is no path_specifier that Martlet knows")
        }
        if hasCaseSensitive, !caseSensitive.value, match["path"] != nil { match["case_sensitive"] = .bool(false) }
        var tests: [Document] = []
        for header in headers {
            if header.name == Self.method, match["methods"] == nil, let methods = header.methods {
                match["methods"] = .texts(methods)
            } else if header.name.hasPrefix(":") {
                reading.unsupported("match.headers", "\(header.name) in this form")
            } else {
                tests += header.documents(reading, in: "match.headers")
            }
        }
        if !tests.isEmpty { match["headers"] = .list(tests) }
        let parameters = queryParameters.compactMap { $0.document(reading) }
        if !parameters.isEmpty { match["query"] = .list(parameters) }
        if hasTlsContext {
            match["tls"] = .object(
                ("presented", tlsContext.hasPresented ? .bool(tlsContext.presented.value) : nil),
                ("validated", tlsContext.hasValidated ? .bool(tlsContext.validated.value) : nil))
        }
        return match
    }
}

extension Envoy_Config_Route_V3_HeaderMatcher {
    init(methods: [String]) {
        self.init()
        name = RouteMatchMessage.method
        if methods.count == 1 {
            stringMatch.exact = methods[0]
        } else {
            stringMatch.safeRegex.regex = methods.joined(separator: "|")
        }
    }

    /// The methods that it takes, when that is all it says.
    var methods: [String]? {
        if invertMatch { return nil }
        switch headerMatchSpecifier {
        case .exactMatch(let text): return [text]
        case .stringMatch(let matcher) where !matcher.ignoreCase:
            switch matcher.matchPattern {
            case .exact(let text): return [text]
            case .safeRegex(let regex):
                let names = regex.regex.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
                let isPlain = names.allSatisfy { name in
                    !name.isEmpty && name.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x2D }
                }
                return isPlain ? names : nil
            default: return nil
            }
        default: return nil
        }
    }

    init(_ header: DocumentSection) {
        self.init()
        name = header.text("name") ?? ""
        invertMatch = header.bool("invert") ?? false
        if let matcher = Envoy_Type_Matcher_V3_StringMatcher(header) {
            stringMatch = matcher
            // An absent header then passes, as it does in Martlet; but not where nothing is what is looked for.
            treatMissingHeaderAsEmpty = invertMatch && !matcher.takesNothing
        } else {
            presentMatch = header.bool("present") ?? true
        }
    }

    /// Mostly one. Two where Envoy wants a header to be there of which Martlet is content when it is not.
    func documents(_ reading: ResourceReading, in field: String) -> [Document] {
        var test: (String, Document)?
        switch headerMatchSpecifier {
        case .presentMatch(let isPresent): test = ("present", .bool(isPresent))
        case .exactMatch(let text): test = ("exact", .text(text))
        case .prefixMatch(let text): test = ("prefix", .text(text))
        case .suffixMatch(let text): test = ("suffix", .text(text))
        case .containsMatch(let text): test = ("contains", .text(text))
        case .safeRegexMatch(let regex): test = ("regex", .text(regex.regex))
        case .stringMatch(let matcher): test = matcher.test(reading, in: field)
        case nil: break
        }
        let invert: Document? = invertMatch ? .bool(true) : nil
        let document = Document.object(("name", .text(name)), (test?.0 ?? "present", test?.1), ("invert", invert))
        var isPresence = headerMatchSpecifier == nil
        if case .presentMatch = headerMatchSpecifier { isPresence = true }
        if !isPresence, treatMissingHeaderAsEmpty, !invertMatch {
            reading.unsupported(field, "treat_missing_header_as_empty")
        }
        guard !isPresence, invertMatch else { return [document] }
        if treatMissingHeaderAsEmpty {
            // Of Martlet's own routes what is meant stands beside it.
            if test?.0 == "regex", !reading.isOwn {
                reading.unsupported(field, "treat_missing_header_as_empty of an inverted expression")
            }
            guard test?.1.text?.isEmpty ?? false, test?.0 != "regex" else { return [document] }
        }
        return [.object(("name", .text(name))), document]
    }
}

extension Envoy_Config_Route_V3_QueryParameterMatcher {
    fileprivate init(_ parameter: DocumentSection) {
        self.init()
        name = parameter.text("name") ?? ""
        if let matcher = Envoy_Type_Matcher_V3_StringMatcher(parameter) {
            stringMatch = matcher
        } else {
            presentMatch = parameter.bool("present") ?? true
        }
    }

    fileprivate func document(_ reading: ResourceReading) -> Document? {
        var test: (String, Document)?
        switch queryParameterMatchSpecifier {
        case .presentMatch(let isPresent): test = ("present", .bool(isPresent))
        case .stringMatch(let matcher): test = matcher.test(reading, in: "match.query_parameters")
        case nil: break
        }
        return .object(("name", .text(name)), (test?.0 ?? "present", test?.1))
    }
}

extension Envoy_Type_Matcher_V3_StringMatcher {
    /// Nil: the test is of another kind.
    init?(_ test: DocumentSection) {
        self.init()
        if let text = test.text("exact") {
            exact = text
        } else if let text = test.text("prefix") {
            prefix = text
        } else if let text = test.text("suffix") {
            suffix = text
        } else if let text = test.text("contains") {
            contains = text
        } else if let text = test.text("regex") {
            safeRegex.regex = text
        } else {
            return nil
        }
    }

    /// Whether an empty text passes. What expressions do nobody knows here.
    fileprivate var takesNothing: Bool {
        switch matchPattern {
        case .exact(let text), .prefix(let text), .suffix(let text), .contains(let text): text.isEmpty
        case .safeRegex, nil: false
        }
    }

    func test(_ reading: ResourceReading, in field: String) -> (String, Document)? {
        // An expression can say that case does not count; of a text it can be made one.
        if ignoreCase { reading.unsupported(field, "ignore_case") }
        switch matchPattern {
        case .exact(let text): return ("exact", .text(text))
        case .prefix(let text): return ("prefix", .text(text))
        case .suffix(let text): return ("suffix", .text(text))
        case .contains(let text): return ("contains", .text(text))
        case .safeRegex(let regex): return ("regex", .text(regex.regex))
        case nil:
            reading.error("\(field): there is no pattern that Martlet knows")
            return nil
        }
    }
}
