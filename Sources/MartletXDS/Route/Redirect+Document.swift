internal import MartletXDSMessages
internal import SwiftProtobuf

// `redirect`.

extension Envoy_Config_Route_V3_RedirectAction {
    private static let statuses: [(Int, RedirectResponseCode)] = [
        (301, .movedPermanently), (302, .found), (303, .seeOther), (307, .temporaryRedirect), (308, .permanentRedirect),
    ]

    init(_ redirect: DocumentSection) {
        self.init()
        if let scheme = redirect.text("scheme") { schemeRedirect = scheme }
        hostRedirect = redirect.text("host") ?? ""
        portRedirect = UInt32(clamping: redirect.int("port") ?? 0)
        if let path = redirect.text("path") {
            pathRedirect = path
        } else if let prefix = redirect.text("prefix") {
            prefixRewrite = prefix
        } else if let replacement = Envoy_Type_Matcher_V3_RegexMatchAndSubstitute(redirect) {
            regexRewrite = replacement
        }
        responseCode = Self.statuses.first { $0.0 == redirect.int("status") }?.1 ?? .movedPermanently
        stripQuery = redirect.bool("strip_query") ?? false
    }

    func document(_ reading: ResourceReading) -> DocumentSection {
        var redirect = DocumentSection()
        switch schemeRewriteSpecifier {
        case .schemeRedirect(let scheme): redirect["scheme"] = .text(scheme)
        case .httpsRedirect(let isMeant): if isMeant { redirect["scheme"] = .text("https") }
        case nil: break
        }
        if !hostRedirect.isEmpty { redirect["host"] = .text(hostRedirect) }
        if portRedirect != 0 { redirect["port"] = .int(portRedirect) }
        switch pathRewriteSpecifier {
        case .pathRedirect(let path): redirect["path"] = .text(path)
        case .prefixRewrite(let prefix): redirect["prefix"] = .text(prefix)
        case .regexRewrite(let replacement): replacement.read(&redirect)
        case nil: break
        }
        if let status = Self.statuses.first(where: { $0.1 == responseCode })?.0 {
            if status != 301 { redirect["status"] = .int(status) }
        } else {
            reading.unsupported("redirect.response_code", "\(responseCode)")
        }
        if stripQuery { redirect["strip_query"] = .bool(true) }
        return redirect
    }
}
