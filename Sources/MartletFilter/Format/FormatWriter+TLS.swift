internal import MartletConfig
internal import MartletCore

/// What the operators about TLS write: Envoy's names, and its texts.
extension FormatWriter {
    mutating func write(_ operation: FormatOperator, _ tls: TLSDetails) {
        switch operation {
        case .tlsVersion: put(tls.version.rawValue)
        case .tlsCipher: put(tls.cipherSuite)
        case .tlsSessionID: put(tls.sessionID)
        case .peerIsValidated: put(tls.validatedPeer == nil ? "false" : "true")
        case .localSubject: if let local = tls.local { put(local.subject) }
        case .localURISAN: if let local = tls.local { put(list: local.uriSANs) }
        case .localDNSSAN: if let local = tls.local { put(list: local.dnsSANs) }
        default: if let peer = tls.peer { write(operation, peer) }
        }
    }

    private mutating func write(_ operation: FormatOperator, _ peer: CertificateDetails) {
        switch operation {
        case .peerSubject: put(peer.subject)
        case .peerIssuer: put(peer.issuer)
        case .peerURISAN: put(list: peer.uriSANs)
        case .peerDNSSAN: put(list: peer.dnsSANs)
        case .peerIPSAN: put(list: peer.ipSANs)
        case .peerSerial: put(peer.serialNumber)
        case .peerFingerprint: put(peer.fingerprint)
        case .peerCertificate: put(peer.encodedPEM)
        default: break
        }
    }

    private mutating func put(list: [String]) {
        for (index, item) in list.enumerated() {
            if index > 0 { line.append(",") }
            put(item)
        }
    }
}
