internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Changes path and host on the way to the upstream.
enum Rewrite {
    /// False when the result cannot stand in a request line.
    static func apply(_ action: RewriteAction, to request: RequestHead) -> Bool {
        if let host = action.host { request.setAuthority(host.span) }
        // The target of CONNECT is no path.
        guard let change = action.path, request.method != .connect else { return true }
        let path = request.path()
        var target: [UInt8]
        switch change {
        case .prefix(let matched, let replacement):
            target = replacement
            target.append(contentsOf: path.extracting(min(matched, path.count)..<path.count).array())
        case .regex(let pattern, let replacement):
            guard let replaced = pattern.replacingFirst(in: path, with: replacement, limit: maxTarget) else {
                return true
            }
            target = replaced
        }
        if target.first != 0x2F { target.insert(0x2F, at: 0) }
        if let query = request.query() {
            target.append(0x3F)
            target.append(contentsOf: query.array())
        }
        guard target.count <= maxTarget, RequestHead.isSafeTarget(target.span) else { return false }
        request.setTarget(target.span)
        return true
    }

    /// A rewrite may not grow a target without bound.
    static let maxTarget = 65_536
}
