/// What a listener tells the upstream about the client, and the client about the proxy.
package struct ForwardingConfig: Sendable {
    package enum ServerHeader: String, Sendable, CaseIterable {
        /// As the upstream sent it, or absent.
        case passThrough = "pass_through"
        case overwrite
        case appendIfAbsent = "append_if_absent"
    }

    /// What becomes of `x-forwarded-client-cert`, in Envoy's words.
    package enum ClientCertificate: String, Sendable, CaseIterable {
        /// Removed.
        case sanitize
        /// Passed on, from a client whose certificate is validated; otherwise removed.
        case forwardOnly = "forward_only"
        /// The same, with an element for the client's certificate added.
        case appendForward = "append_forward"
        /// Replaced by an element for the client's certificate; without one removed.
        case sanitizeSet = "sanitize_set"
        /// Passed on from everybody.
        case alwaysForwardOnly = "always_forward_only"
    }

    /// What an element of `x-forwarded-client-cert` says beside `By` and `Hash`.
    package enum ClientCertificateDetail: String, Sendable, CaseIterable {
        case subject
        case uri
        case dns
        /// The certificate itself, percent-encoded PEM.
        case cert
        /// The same of the whole chain.
        case chain
    }

    /// Whether the peer is the client: its address is appended to `x-forwarded-for` and is the client's address. When
    /// false, `x-forwarded-for` is passed on untouched and its last entry is the client. Default: true.
    package var useRemoteAddress = true
    /// Trusted proxies in front: the client is that many entries from the right end of `x-forwarded-for`. Default: 0, 0 to 64.
    package var trustedHops = 0
    /// The name added to `via` in both directions; nil leaves `via` alone. Default: nil.
    package var via: String?
    /// Make an `x-request-id` where there is none. Default: true.
    package var generateRequestID = true
    /// Keep the `x-request-id` of a client that is not a trusted proxy. Default: false.
    package var preserveExternalRequestID = false
    /// Default: pass_through.
    package var serverHeader = ServerHeader.passThrough
    /// What `overwrite` and `append_if_absent` write. Default: martlet.
    package var serverName = "martlet"
    /// Default: sanitize.
    package var forwardClientCertificate = ClientCertificate.sanitize
    /// Default: subject, uri, dns. Read for append_forward and sanitize_set.
    package var clientCertificateDetails: Set<ClientCertificateDetail> = [.subject, .uri, .dns]

    init(_ section: ConfigSection) {
        useRemoteAddress = section.bool("use_remote_address", default: useRemoteAddress)
        trustedHops = section.int("xff_num_trusted_hops", default: trustedHops, in: 0...64)
        via = section.value("via", .pseudonym)
        generateRequestID = section.bool("generate_request_id", default: generateRequestID)
        preserveExternalRequestID = section.bool("preserve_external_request_id", default: preserveExternalRequestID)
        serverHeader = section.choice("server_header", default: serverHeader)
        serverName = section.value("server_name", .headerValue) ?? serverName
        if section.has("server_name") && serverHeader == .passThrough {
            section.error(at: "server_name", "is not used", hint: "add server_header: overwrite")
        }
        forwardClientCertificate = section.choice("forward_client_cert", default: forwardClientCertificate)
        if section.has("client_cert_details") {
            clientCertificateDetails = Set(section.values("client_cert_details", .choice))
            if !writesClientCertificate {
                section.error(
                    at: "client_cert_details", "is not used",
                    hint: "add forward_client_cert: sanitize_set, or append_forward")
            }
        }
    }

    /// Whether it depends on a validated certificate what becomes of the header.
    package var needsClientCertificate: Bool { forwardClientCertificate == .forwardOnly || writesClientCertificate }

    /// Whether an element for the client's certificate is written.
    package var writesClientCertificate: Bool {
        forwardClientCertificate == .sanitizeSet || forwardClientCertificate == .appendForward
    }
}

extension ConfigScalar where Value == String {
    /// RFC 9110 section 7.6.3: the received-by of a `via` entry, a token here.
    static var pseudonym: ConfigScalar {
        ConfigScalar(expected: "a name for the via header, such as edge-1") { text in
            let isValid = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2C && $0 != 0x28 }
            return isValid ? .success(text) : .failure(.init("\"\(text.prefix(60))\" cannot stand in a via header"))
        }
    }
}
