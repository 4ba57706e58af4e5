internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RouteMessage = Envoy_Config_Route_V3_Route
typealias FilterMessage = Martlet_Config_V1_Filter

// One route to Envoy's and back. Its hosts are not in it: they choose the virtual hosts it stands in, see
// `RouteTable+Document.swift`.

extension RouteMessage {
    /// - Parameter position: in the listener's list.
    init(_ route: DocumentSection, position: Int, _ chain: ChainNames, _ secrets: inout SecretWriter) {
        self.init(fieldsOf: route, chain, &secrets)
        var reading = ResourceReading("RouteConfiguration", "", diagnostics: ConfigDiagnostics())
        reading.chain = chain.filters
        reading.isOwn = true
        let known = document(reading)
        let rest = route.spellingFilters(as: known).rest(over: known)
        metadata = .init(
            own: Martlet_Config_V1_Route.with {
                $0.position = UInt32(position)
                if let rest { $0.rest = rest }
            })
    }

    private init(fieldsOf route: DocumentSection, _ chain: ChainNames, _ secrets: inout SecretWriter) {
        self.init()
        name = route.text("name") ?? ""
        match = .init(route.section("match") ?? DocumentSection())
        if let redirect = route.section("redirect") {
            self.redirect = .init(redirect)
        } else if let respond = route.section("respond") {
            writeResponse(respond)
        } else {
            self.route = .init(route)
        }
        for entry in route.section("filters")?.entries ?? [] {
            for (name, config) in chain.overrides(entry.key, entry.value, &secrets) {
                typedPerFilterConfig[name] = config
            }
        }
    }

    /// What the fields say, without the words of our own.
    func document(_ reading: ResourceReading) -> DocumentSection {
        var route = DocumentSection()
        if !name.isEmpty { route["name"] = .text(name) }
        route["match"] = .section(match.document(reading))
        switch action {
        case .route(let action): action.read(&route, reading)
        case .redirect(let redirect): route["redirect"] = .section(redirect.document(reading))
        case .directResponse(let response): readResponse(response, &route, reading)
        case nil: reading.error("route \"\(name)\": there is no action that Martlet knows")
        }
        var isOwnResponse = false
        if case .directResponse = action { isOwnResponse = true }
        if !responseHeadersToAdd.isEmpty, !isOwnResponse {
            reading.unsupported("response_headers_to_add", "a header for other responses than our own")
        }
        readOverrides(&route, reading)
        return route
    }

    // MARK: respond

    private mutating func writeResponse(_ respond: DocumentSection) {
        directResponse.status = UInt32(clamping: respond.int("status") ?? 200)
        if let body = respond.text("body"), !body.isEmpty { directResponse.body.inlineString = body }
        for entry in respond.section("headers")?.entries ?? [] {
            for value in entry.value.items?.compactMap(\.text) ?? entry.value.text.map({ [$0] }) ?? [] {
                responseHeadersToAdd.append(
                    .with {
                        $0.header.key = entry.key
                        // Envoy takes `%` for the beginning of an operator.
                        $0.header.value = value.replacing("%", with: "%%")
                        $0.keepEmptyValue = value.isEmpty
                    })
            }
        }
    }

    private func readResponse(
        _ response: Envoy_Config_Route_V3_DirectResponseAction, _ route: inout DocumentSection,
        _ reading: ResourceReading
    ) {
        var headers = DocumentSection()
        for option in responseHeadersToAdd {
            let value = option.header.value.replacing("%%", with: "")
            if value.contains("%") { reading.unsupported("response_headers_to_add", "an operator") }
            let text = Document.text(option.header.value.replacing("%%", with: "%"))
            switch headers[option.header.key] {
            case .list(let items): headers[option.header.key] = .list(items + [text])
            case let value?: headers[option.header.key] = .list([value, text])
            case nil: headers[option.header.key] = text
            }
        }
        var respond = DocumentSection()
        respond["status"] = .int(response.status)
        switch response.body.specifier {
        case .inlineString(let text): respond["body"] = .text(text)
        case .inlineBytes(let data):
            if let text = String(validating: data, as: UTF8.self) {
                respond["body"] = .text(text)
            } else {
                reading.unsupported("direct_response.body", "a body that is no text")
            }
        case .filename, .environmentVariable: reading.unsupported("direct_response.body", "a file")
        case nil: break
        }
        respond.put("headers", headers)
        route["respond"] = .section(respond)
    }
}
