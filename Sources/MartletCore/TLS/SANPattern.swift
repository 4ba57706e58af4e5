/// Which subject alternative names a certificate may have: `api.example.com`, `*.example.com`, `10.0.0.1`,
/// `spiffe://mesh.example/ns/shop/sa/api`, `spiffe://mesh.example/ns/shop/*`.
public enum SANPattern: Sendable, Hashable {
    /// Lower case. A certificate's own wildcard stands for one label (RFC 6125 section 6.4.3).
    case dns(String)
    /// `*.example.com` is `.example.com`: one label or more in front.
    case dnsSuffix(String)
    case ip(IPAddress)
    /// Byte for byte: of a SPIFFE ID the case of the path counts.
    case uri(String)
    /// `spiffe://mesh.example/ns/*` is `spiffe://mesh.example/ns/`: something must follow.
    case uriPrefix(String)

    /// Why a text is no pattern.
    public enum Problem: Error, Equatable {
        case empty
        /// Not a name, an address or a URI.
        case notAName
        /// A `*` that is neither the first label nor the last thing behind a slash.
        case misplacedStar
    }

    public init(_ text: String) throws(Problem) {
        guard !text.isEmpty else { throw .empty }
        if let scheme = text.range(of: "://") {
            let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            guard isPlain, scheme.lowerBound != text.startIndex, scheme.upperBound != text.endIndex else {
                throw .notAName
            }
            let body = text.hasSuffix("/*") ? text.dropLast() : text[...]
            // `spiffe:///*` and `spiffe://*` name no trust domain.
            guard !body.contains("*"), let first = body[scheme.upperBound...].first, first != "/" else {
                throw .misplacedStar
            }
            self = text.hasSuffix("/*") ? .uriPrefix(String(body)) : .uri(text)
            return
        }
        if let address = IPAddress(text) {
            self = .ip(address)
            return
        }
        let name = text.lowercased()
        let host = name.hasPrefix("*.") ? name.dropFirst(2) : name[...]
        guard !host.contains("*") else { throw .misplacedStar }
        let isHost =
            !host.isEmpty && host.utf8.count <= 253 && host.first != "." && host.last != "."
            && host.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
            }
        guard isHost else { throw .notAName }
        self = name.hasPrefix("*.") ? .dnsSuffix(String(name.dropFirst())) : .dns(name)
    }

    /// As it is written.
    public var text: String {
        switch self {
        case .dns(let name), .uri(let name): name
        case .dnsSuffix(let suffix): "*" + suffix
        case .ip(let address): address.text
        case .uriPrefix(let prefix): prefix + "*"
        }
    }

    /// Whether one of the certificate's names is meant.
    public func matches(_ certificate: CertificateDetails) -> Bool {
        switch self {
        case .dns, .dnsSuffix: certificate.dnsSANs.contains(where: matches(dns:))
        case .uri(let name): certificate.uriSANs.contains(name)
        case .uriPrefix(let prefix):
            certificate.uriSANs.contains { $0.hasPrefix(prefix) && $0.utf8.count > prefix.utf8.count }
        case .ip(let address): certificate.ipSANs.contains { IPAddress($0) == address }
        }
    }

    /// Whether `name`, a dNSName of a certificate, is meant.
    public func matches(dns name: String) -> Bool {
        let name = name.lowercased()
        switch self {
        case .dns(let wanted):
            if name == wanted { return true }
            guard name.hasPrefix("*."), let dot = wanted.firstIndex(of: "."), dot != wanted.startIndex else {
                return false
            }
            let domain = wanted[dot...]
            // A wildcard directly below a top-level domain stands for nobody.
            return name.dropFirst() == domain && domain.dropFirst().contains(".")
        case .dnsSuffix(let suffix): return name.hasSuffix(suffix) && name.utf8.count > suffix.utf8.count
        case .ip, .uri, .uriPrefix: return false
        }
    }
}

extension String {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
