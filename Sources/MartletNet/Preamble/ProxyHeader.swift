// What comes before a connection's own protocol: PROXY protocol headers, the first message of TLS, and the telling of
// protocols apart. Bytes in, values out; no socket is touched here.

internal import MartletCore

/// Who is at the other end of a forwarded connection, as a PROXY protocol header (HAProxy's `proxy-protocol.txt`) tells it.
package struct ProxyHeader: Sendable, Equatable {
    /// 1 is a line of text, 2 is binary.
    package enum Version: UInt8, Sendable, CaseIterable { case v1 = 1, v2 = 2 }

    package enum Origin: Sendable, Equatable {
        /// The sender's own connection, such as a health check: it is forwarded for nobody.
        case local
        /// Forwarded, but the sender does not know for whom or cannot say so.
        case unknown
        /// `destination`: where the client connected to.
        case known(source: SocketAddress, destination: SocketAddress)
    }

    package let version: Version
    package let origin: Origin
    /// Type, length and value, one behind the other, as version 2 has them; checked to be whole.
    package let extensions: [UInt8]

    init(version: Version, origin: Origin, extensions: [UInt8]) {
        self.version = version
        self.origin = origin
        self.extensions = extensions
    }

    /// A header to send. Version 1 has no room for the extensions.
    /// - Parameters:
    ///   - authority: the name that the client asked for, at most 255 bytes or it is left out.
    ///   - alpn: the protocol that was agreed on in TLS; left out when empty or longer than 255 bytes.
    package init(_ version: Version, _ origin: Origin, authority: String? = nil, alpn: [UInt8]? = nil) {
        self.version = version
        self.origin = origin
        var extensions: [UInt8] = []
        func add(_ type: ExtensionType, _ value: some Collection<UInt8>) {
            guard (1...255).contains(value.count) else { return }
            extensions += [type.rawValue, 0, UInt8(truncatingIfNeeded: value.count)]
            extensions += value
        }
        if version == .v2 {
            if let alpn { add(.alpn, alpn) }
            if let authority { add(.authority, authority.utf8) }
        }
        self.extensions = extensions
    }

    /// Extensions that are known; others are passed over.
    enum ExtensionType: UInt8 {
        case alpn = 0x01, authority = 0x02, crc32c = 0x03, noop = 0x04, uniqueID = 0x05, tls = 0x20, namespace = 0x30
        // Within `tls`.
        case tlsVersion = 0x21, tlsCommonName = 0x22, tlsCipher = 0x23, tlsSignature = 0x24, tlsKey = 0x25
    }
}

/// Why a PROXY protocol header is refused.
package enum ProxyHeaderFault: String, Error, Sendable, CaseIterable {
    case lineTooLong = "PROXY line is longer than 107 bytes"
    case badLineEnd = "PROXY line does not end with CRLF"
    case badFamily = "PROXY line names no TCP4, TCP6 or UNKNOWN"
    case badLine = "PROXY line is not addresses and ports with one space between"
    case badAddress = "PROXY line has no address of its family"
    case badPort = "PROXY line has a port that is no number from 0 to 65535"
    case badVersion = "PROXY header has another version than 2"
    case badCommand = "PROXY header has another command than LOCAL and PROXY"
    case badTransport = "PROXY header is for no stream, or has an unknown address family"
    case tooLong = "PROXY header is longer than the limit"
    case shortAddresses = "PROXY header is too short for its addresses"
    case badExtension = "PROXY header has a malformed extension"
    case badChecksum = "PROXY header does not match its checksum"
}

// MARK: What the extensions say

extension ProxyHeader {
    /// The name that the client asked for, such as TLS's SNI.
    package var authority: String? {
        value(of: .authority).map { String(decoding: $0, as: UTF8.self) }
    }
    /// The protocol that was agreed on.
    package var alpn: [UInt8]? { value(of: .alpn).map { Array($0) } }
    /// Names the connection across hops; at most 128 bytes.
    package var uniqueID: [UInt8]? { value(of: .uniqueID).map { Array($0) } }

    /// What the sender says of the TLS that it terminated.
    package struct TLS: Sendable, Equatable {
        /// The client came over TLS.
        package let isTLS: Bool
        /// The client showed a certificate on this connection.
        package let hasCertificate: Bool
        /// It was verified.
        package let isVerified: Bool
        package let version: String?
        package let commonName: String?
        package let cipher: String?
    }

    package var tls: TLS? {
        guard let value = value(of: .tls), value.count >= 5 else { return nil }
        let start = value.startIndex
        let inner = extensions[(start + 5)..<value.endIndex]
        func text(_ type: ExtensionType) -> String? {
            Self.value(of: type, in: inner).map { String(decoding: $0, as: UTF8.self) }
        }
        let flags = value[start]
        return TLS(
            isTLS: flags & 1 != 0, hasCertificate: flags & 2 != 0,
            isVerified: flags & 6 != 0 && value[(start + 1)..<(start + 5)].allSatisfy { $0 == 0 },
            version: text(.tlsVersion), commonName: text(.tlsCommonName), cipher: text(.tlsCipher))
    }

    func value(of type: ExtensionType) -> ArraySlice<UInt8>? { Self.value(of: type, in: extensions[...]) }

    /// The first of that type.
    static func value(of type: ExtensionType, in bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var rest = bytes
        while let first = next(in: &rest) { if first.type == type.rawValue { return first.value } }
        return nil
    }

    /// Takes one extension off; nil at the end, or when what is left is none.
    static func next(in rest: inout ArraySlice<UInt8>) -> (type: UInt8, value: ArraySlice<UInt8>)? {
        guard rest.count >= 3 else { return nil }
        let start = rest.startIndex
        let length = Int(rest[start + 1]) << 8 | Int(rest[start + 2])
        guard rest.count >= 3 + length else { return nil }
        let value = rest[(start + 3)..<(start + 3 + length)]
        defer { rest = rest[value.endIndex...] }
        return (rest[start], value)
    }
}
