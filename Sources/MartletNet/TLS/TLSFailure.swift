/// Why TLS with one peer did not come about, or came to a bad end.
package struct TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The peer broke a rule, or did not speak TLS at all.
        case protocolError
        /// The peer would have nothing to do with us; it sent an alert.
        case alert
        /// It was to show a certificate and did not.
        case noCertificate
        /// Its certificate leads to nobody we trust, has expired or is revoked.
        case untrusted
        /// Its certificate is sound, but somebody else's.
        case wrongName
        /// Both speak TLS, but nothing over it in common (RFC 7301).
        case noCommonProtocol
        /// It went away in the middle of the handshake.
        case ended
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
