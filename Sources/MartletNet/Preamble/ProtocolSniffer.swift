internal import MartletCore

/// Tells from a connection's first bytes what it speaks.
package enum ProtocolSniffer {
    package enum Kind: String, Sendable, CaseIterable {
        case tls, http1, http2
        /// None of them, or a protocol in which the server speaks first.
        case other
    }

    /// Bytes after which there is always an answer.
    package static let enough = 32

    private static let preface: StaticString = "PRI * HTTP/2.0"

    /// Nil: more bytes may tell. Once told, more bytes do not change it.
    /// - Parameter isFinal: nothing more will come in time, so there is always an answer.
    package static func kind(of bytes: Span<UInt8>, isFinal: Bool) -> Kind? {
        guard !bytes.isEmpty else { return isFinal ? .other : nil }
        let found = bytes[0] == 0x16 ? tls(bytes) : http(bytes)
        return found ?? (isFinal ? atEnd(bytes) : nil)
    }

    /// RFC 8446 section 5.1: a handshake record, whose version is 3 and at most 4.
    private static func tls(_ bytes: Span<UInt8>) -> Kind? {
        if bytes.count > 1 && bytes[1] != 3 { return .other }
        guard bytes.count > 2 else { return nil }
        return bytes[2] <= 4 ? .tls : .other
    }

    private static func http(_ bytes: Span<UInt8>) -> Kind? {
        guard let space = bytes.firstIndex(of: 0x20) else {
            return bytes.count < enough && isMethod(bytes) ? nil : .other
        }
        let method = bytes.extracting(0..<space)
        guard space > 0, space < enough - 1, isMethod(method) else { return .other }
        if method.equals("PRI") { return afterPRI(bytes) }
        if isCommon(method) { return .http1 }
        // Other text protocols have a word and a space too (`EHLO name`): a rarer method is told by its target.
        guard bytes.count > space + 1 else { return nil }
        return bytes[space + 1] == 0x2F || bytes[space + 1] == 0x2A ? .http1 : .other
    }

    /// RFC 9113 section 3.4: no HTTP/1 request has this method, so the line decides.
    private static func afterPRI(_ bytes: Span<UInt8>) -> Kind? {
        let known = min(bytes.count, preface.utf8CodeUnitCount)
        // A static string's bytes live for ever.
        let line = unsafe Span(_unsafeStart: preface.utf8Start, count: preface.utf8CodeUnitCount)
        guard line.extracting(0..<known).equals(bytes.extracting(0..<known)) else { return .http1 }
        return known == line.count ? .http2 : nil
    }

    /// Methods are upper case by custom; so are few other protocols' first words, such as `SSH-2.0`.
    private static func isMethod(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices {
            let byte = bytes[index]
            guard (0x41...0x5A).contains(byte) || (index > 0 && (byte == 0x2D || byte == 0x5F)) else { return false }
        }
        return true
    }

    private static func isCommon(_ method: Span<UInt8>) -> Bool {
        method.equals("GET") || method.equals("POST") || method.equals("HEAD") || method.equals("PUT")
            || method.equals("DELETE") || method.equals("OPTIONS") || method.equals("PATCH")
            || method.equals("CONNECT") || method.equals("TRACE")
    }

    /// What was said so far, if it was meant as one of them, gets that protocol's own answer or its time limit.
    private static func atEnd(_ bytes: Span<UInt8>) -> Kind {
        if bytes[0] == 0x16 { return bytes.count > 1 ? .tls : .other }
        guard let space = bytes.firstIndex(of: 0x20) else { return isCommon(bytes) ? .http1 : .other }
        return bytes.extracting(0..<space).equals("PRI") ? .http2 : .other
    }
}
