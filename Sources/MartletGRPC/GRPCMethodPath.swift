internal import MartletCore

/// `/package.Service/Method`, taken apart.
package struct GRPCMethodPath {
    /// In the path: the service without its slashes.
    package let service: Range<Int>
    package let method: Range<Int>

    /// Nil when `path` has another form. It has no query.
    package init?(_ path: Span<UInt8>) {
        guard path.count > 3, path[0] == 0x2F, let slash = path.firstIndex(of: 0x2F, from: 1), slash > 1,
            slash + 1 < path.count, path.firstIndex(of: 0x2F, from: slash + 1) == nil
        else { return nil }
        service = 1..<slash
        method = (slash + 1)..<path.count
    }
}
