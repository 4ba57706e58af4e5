internal import MartletCore

/// The bytes an HTTP/2 client begins with (RFC 9113 section 3.4).
package enum HTTP2Preface {
    package enum Match: Sendable {
        case no
        /// What there is may become one.
        case partial
        case yes
    }

    package static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    package static func match(_ bytes: Span<UInt8>) -> Match {
        let count = min(bytes.count, text.utf8CodeUnitCount)
        // A static string's bytes live for ever.
        let known = unsafe Span(_unsafeStart: text.utf8Start, count: count)
        guard bytes.extracting(first: count).equals(known) else { return .no }
        return count == text.utf8CodeUnitCount ? .yes : .partial
    }
}
