internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Where a redirect sends the client.
enum Redirect {
    /// The absolute URL; nil when it could not stand in a header.
    static func location(_ request: RequestHead, _ action: RedirectAction, scheme: Scheme?) -> String? {
        let original: String
        let headers = request.headers
        if let forwarded = headers.first(.xForwardedProto), forwarded.equalsIgnoringCase("https") {
            original = "https"
        } else {
            original = scheme == .https ? "https" : "http"
        }
        let scheme = action.scheme ?? original
        let url = "\(scheme)://\(authority(request, action, scheme, original))\(path(request, action))"
        let isSafe = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return isSafe ? url : nil
    }

    private static func authority(
        _ request: RequestHead, _ action: RedirectAction, _ scheme: String, _ original: String
    ) -> String {
        let (host, port) = split(request.authority().string())
        let newHost = action.host ?? host
        if let port = action.port { return "\(newHost):\(port)" }
        // Another scheme or host has another default port: the old one would lead nowhere.
        guard action.host == nil, scheme == original, let port else { return newHost }
        return "\(newHost):\(port)"
    }

    private static func split(_ authority: String) -> (host: String, port: String?) {
        guard let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") else {
            return (authority, nil)
        }
        return (String(authority[..<colon]), String(authority[authority.index(after: colon)...]))
    }

    private static func path(_ request: RequestHead, _ action: RedirectAction) -> String {
        let old = request.path()
        var path: String
        if let full = action.path {
            path = full
        } else if let prefix = action.prefix {
            path = prefix.with + old.extracting(min(prefix.matched, old.count)..<old.count).string()
        } else if let regex = action.regex,
            let replaced = regex.pattern.replacingFirst(in: old, with: regex.to, limit: Rewrite.maxTarget)
        {
            path = String(decoding: replaced, as: UTF8.self)
        } else {
            path = old.string()
        }
        if !path.hasPrefix("/") { path = "/" + path }
        // A path of two slashes would name another host to the client.
        if path.hasPrefix("//") && action.path == nil { path = "/" + path.drop { $0 == "/" } }
        if !action.stripsQuery, !path.contains("?"), let query = request.query() { path += "?" + query.string() }
        return path
    }
}
