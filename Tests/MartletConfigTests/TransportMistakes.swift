/// Mistakes in how bytes travel: TLS, tcp listeners, the PROXY protocol, HTTP/2.
extension Mistake {
    static let transport: [Mistake] = [
        Mistake(
            Around.route(
                #"""
                - match: { tls: {} }
                  cluster: api
                - match: { tls: { presented: false, validated: true, valid: 1 } }
                  cluster: api
                """#),
            "6:19: error: listeners[0].routes[0].match.tls: matches everything (write presented, "
                + "validated or both)",
            "8:50: error: listeners[0].routes[1].match.tls.validated: what is not presented is not validated (keep one)",
            #"8:56: error: listeners[0].routes[1].match.tls.valid: unknown key "valid" (did you mean "validated"?)"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, alpn: [http/1.1] }
                limits: { detect_timeout: 1s, max_concurrent_streams: 10, http2: { header_table_size: 0 } }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "5:29: error: listeners[0].limits.detect_timeout: is not used: there are no protocols to tell apart here "
                + #"(it is for "other", tls.optional, and sni with a cluster for the rest)"#,
            #"5:57: error: listeners[0].limits.max_concurrent_streams: is not used: "tls.alpn" has no h2 "#
                + "(add h2 to alpn, or remove it)",
            #"5:68: error: listeners[0].limits.http2: is not used: "tls.alpn" has no h2 "#
                + "(add h2 to alpn, or remove it)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:8: error: listeners[0].tls: "private_key" is required ("certificate" and "private_key" belong "#
                + "together)"),
        Mistake(
            Around.listener(
                #"""
                tls: { private_key: a.key, ocsp_staple: a.der, certificates: [{ certificate: a.pem, private_key: a.key }] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:23: error: listeners[0].tls.private_key: "certificates" and "private_key" exclude each other "#
                + "(keep one)"),
        Mistake(
            Around.listener(
                #"""
                tls: {}
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:8: error: listeners[0].tls: one of "certificates", "certificate" is required"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificates: [] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:24: error: listeners[0].tls.certificates: an empty list identifies nobody (certificates: [{ "
                + "certificate: a.pem, private_key: a.key }])"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificates: [{ certificate: a.pem, private_key: a.key }, { certificate: a.pem, private_key: b.key }, {}, { ocsp_staple: c }] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:84: error: listeners[0].tls.certificates[1].certificate: "a.pem" twice (keep one)"#,
            #"4:113: error: listeners[0].tls.certificates[2]: "certificate" is required (expected the path of "#
                + "a PEM file)",
            #"4:117: error: listeners[0].tls.certificates[3]: "certificate" is required (expected the path of "#
                + "a PEM file)",
            #"4:132: error: listeners[0].tls.certificates[3].ocsp_staple: has no meaning without "certificate""#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, min_version: "1.0", max_version: 1.1 }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:63: error: listeners[0].tls.min_version: TLS 1.0 is broken, and RFC 8996 forbids it (write "
                + #""1.2" or "1.3")"#,
            "4:83: error: listeners[0].tls.max_version: TLS 1.1 is broken, and RFC 8996 forbids it (write "
                + #""1.2" or "1.3")"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, min_version: TLSv1.2, max_version: "1.4" }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:63: error: listeners[0].tls.min_version: "TLSv1.2" is no version of TLS (write "1.2")"#,
            #"4:85: error: listeners[0].tls.max_version: "1.4" is no version of TLS (valid: "1.2", "1.3")"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, min_version: "1.3", max_version: "1.2", cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:83: error: listeners[0].tls.max_version: is below min_version (write max_version: "1.3")"#,
            "4:105: error: listeners[0].tls.cipher_suites: has no meaning without TLS 1.2 (those of TLS 1.3 "
                + "are all strong and always on)"),
        Mistake(
            Around.listener(
                #"""
                tls:
                  certificate: a.pem
                  private_key: a.key
                  cipher_suites: [AES128-SHA, TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ECDHE-RSA-AES128-GCM-SHA265]
                  curves: [x25519, prime256v1, P-192, X25519, X25519]
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"7:21: error: listeners[0].tls.cipher_suites[0]: "AES128-SHA" is no suite with forward secrecy "#
                + "and authenticated encryption (valid: ECDHE-ECDSA-AES128-GCM-SHA256, "
                + "ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, "
                + "ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-CHACHA20-POLY1305)",
            #"7:33: error: listeners[0].tls.cipher_suites[1]: "TLS_AES_128_GCM_SHA256" is of TLS 1.3, whose "#
                + "suites are all strong and always on (remove it)",
            #"7:57: error: listeners[0].tls.cipher_suites[2]: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" has "#
                + "another name here (write ECDHE-RSA-AES128-GCM-SHA256)",
            #"7:96: error: listeners[0].tls.cipher_suites[3]: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" "#
                + "has another name here (write ECDHE-ECDSA-CHACHA20-POLY1305)",
            #"7:143: error: listeners[0].tls.cipher_suites[4]: "ECDHE-RSA-AES128-GCM-SHA265" is not known "#
                + #"here (did you mean "ECDHE-RSA-AES128-GCM-SHA256"? valid: ECDHE-ECDSA-AES128-GCM-SHA256, "#
                + "ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, "
                + "ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-CHACHA20-POLY1305)",
            #"8:14: error: listeners[0].tls.curves[0]: "x25519" has another name here (write X25519)"#,
            #"8:22: error: listeners[0].tls.curves[1]: "prime256v1" has another name here (write P-256)"#,
            #"8:34: error: listeners[0].tls.curves[2]: "P-192" is no curve known here (valid: X25519, P-256, "#
                + "P-384, P-521)",
            #"8:49: error: listeners[0].tls.curves[4]: "X25519" twice (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, cipher_suites: [], curves: [], alpn: [] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:65: error: listeners[0].tls.cipher_suites: an empty list allows nothing (remove it for the "
                + "defaults)",
            "4:77: error: listeners[0].tls.curves: an empty list allows nothing (remove it for the defaults)",
            "4:87: error: listeners[0].tls.alpn: an empty list allows nothing (remove it for the defaults)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, alpn: [h2, HTTP/2, spdy/3, h2] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:61: error: listeners[0].tls.alpn[1]: "HTTP/2" is not spoken by http listeners (write: h2)"#,
            #"4:69: error: listeners[0].tls.alpn[2]: "spdy/3" is not spoken by http listeners (valid: h2, "#
                + "http/1.1)",
            #"4:77: error: listeners[0].tls.alpn[3]: "h2" twice (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, require_client_certificate: true, crl: a.crl, verify_san: [a.example] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:78: error: listeners[0].tls.require_client_certificate: nobody's certificate would count "
                + #"without "client_ca" (add client_ca)"#,
            #"4:89: error: listeners[0].tls.crl: has no meaning without "client_ca" (add client_ca, whose "#
                + "certificates count)",
            #"4:108: error: listeners[0].tls.verify_san: has no meaning without "client_ca" (add client_ca, "#
                + "whose certificates count)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, client_ca: ca.pem, verify_san: ["*", "a.*.example", "spiffe://*/a", "spiffe:///x", "a b", ""] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:82: error: listeners[0].tls.verify_san[0]: "*" has a * that stands for nothing (write "#
                + "*.example.com, or spiffe://mesh.example/ns/shop/*)",
            #"4:87: error: listeners[0].tls.verify_san[1]: "a.*.example" has a * that stands for nothing "#
                + "(write *.example.com, or spiffe://mesh.example/ns/shop/*)",
            #"4:102: error: listeners[0].tls.verify_san[2]: "spiffe://*/a" has a * that stands for nothing "#
                + "(write *.example.com, or spiffe://mesh.example/ns/shop/*)",
            #"4:118: error: listeners[0].tls.verify_san[3]: "spiffe:///x" has a * that stands for nothing "#
                + "(write *.example.com, or spiffe://mesh.example/ns/shop/*)",
            #"4:133: error: listeners[0].tls.verify_san[4]: "a b" is no name of a certificate (such as "#
                + "api.example.com, *.example.com, 10.0.0.1 or spiffe://mesh.example/ns/shop/*)",
            "4:140: error: listeners[0].tls.verify_san[5]: must not be empty (such as api.example.com, "
                + "*.example.com, 10.0.0.1 or spiffe://mesh.example/ns/shop/*)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, client_ca: ca.pem, verify_san: [] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:81: error: listeners[0].tls.verify_san: an empty list allows nobody (remove it to allow all)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, session_tickets: true, handshake_timeout: 0, max_handshakes: 0, optional: maybe }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:67: error: listeners[0].tls.session_tickets: expected a mapping, "on" or "off", found "true" "#
                + "(write: on)",
            "4:92: error: listeners[0].tls.handshake_timeout: 0 is out of bounds (expected 100ms to 1m)",
            "4:111: error: listeners[0].tls.max_handshakes: 0 is out of bounds (expected 1 to 1000000)",
            #"4:124: error: listeners[0].tls.optional: "maybe" is not true or false"#),
        Mistake(
            Around.listener(
                #"""
                tls: { certificate: a.pem, private_key: a.key, session_tickets: { rotation: 1s, keys: [] } }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:79: error: listeners[0].tls.session_tickets.rotation: 1s is out of bounds (expected 1m to 7d)",
            "4:79: error: listeners[0].tls.session_tickets.rotation: has no meaning for keys from files "
                + "(they change when the files do)",
            "4:89: error: listeners[0].tls.session_tickets.keys: an empty list makes no tickets (remove it "
                + "for keys of our own, or write off)"),
        Mistake(
            Around.listener(
                #"""
                tls: { certificat: a.pem, private_key: a.key, min_verson: "1.2" }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:10: error: listeners[0].tls.certificat: unknown key "certificat" (did you mean "certificate"?)"#,
            #"4:49: error: listeners[0].tls.min_verson: unknown key "min_verson" (did you mean "min_version"?)"#),
        Mistake(
            Around.listener(
                #"""
                tls: certs/a.pem
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:8: error: listeners[0].tls: expected a mapping, found "certs/a.pem" (write keys as `name: "#
                + "value`)"),
        Mistake(
            Around.listener(
                #"""
                forward_client_cert: sanitise
                client_cert_details: [subject, sans]
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:24: error: listeners[0].forward_client_cert: "sanitise" is not known here (did you mean "#
                + #""sanitize"? valid: sanitize, forward_only, append_forward, sanitize_set, always_forward_only)"#,
            "5:24: error: listeners[0].client_cert_details: is not used (add forward_client_cert: "
                + "sanitize_set, or append_forward)",
            #"5:34: error: listeners[0].client_cert_details[1]: "sans" is not known here (valid: subject, "#
                + "uri, dns, cert, chain)"),
        Mistake(
            Around.listener(
                #"""
                proxy_protocol: yes
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:19: error: listeners[0].proxy_protocol: "yes" is not true or false (write: true)"#),
        Mistake(
            Around.listener(
                #"""
                proxy_protocol: { required: false, trusted: [10.0.0.1/8, ten], timeout: 0, version: 2 }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:48: error: listeners[0].proxy_protocol.trusted[0]: "10.0.0.1/8" goes on behind its prefix "#
                + "(write 10.0.0.0/8)",
            #"4:60: error: listeners[0].proxy_protocol.trusted[1]: "ten" is no IP address (10.0.0.0/8, "#
                + "192.0.2.7, 2001:db8::/32)",
            "4:75: error: listeners[0].proxy_protocol.timeout: 0 is out of bounds (expected 10ms to 1m)",
            #"4:78: error: listeners[0].proxy_protocol.version: unknown key "version" (valid keys: required, "#
                + "timeout, trusted)"),
        Mistake(
            Around.listener(
                #"""
                proxy_protocol: { trusted: [] }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:30: error: listeners[0].proxy_protocol.trusted: an empty list trusts nobody (remove it to "
                + "trust everybody)"),
        Mistake(
            Around.listener(
                #"""
                protocol: htp
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:13: error: listeners[0].protocol: "htp" is not known here (did you mean "http"? valid: http, "#
                + "tcp)"),
        Mistake(
            Around.listener(
                #"""
                cluster: api
                sni: []
                max_connect_attempts: 2
                limits: { max_connection_duration: 1h }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:12: error: listeners[0].cluster: is for protocol: tcp (write it in a route: routes: [{ match: "
                + "{}, cluster: ... }])",
            "5:8: error: listeners[0].sni: is for protocol: tcp (remove it, or add protocol: tcp)",
            "6:25: error: listeners[0].max_connect_attempts: is for protocol: tcp (remove it, or add "
                + "protocol: tcp)",
            "7:38: error: listeners[0].limits.max_connection_duration: has no meaning for protocol: http "
                + "(remove it)"),
        Mistake(
            Around.listener(
                #"""
                other: {}
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:10: error: listeners[0].other: one of "cluster", "split" is required"#),
        Mistake(
            Around.listener(
                #"""
                other: { cluster: db, split: [], detect: 1s }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:21: error: listeners[0].other.cluster: no cluster "db" (clusters: api)"#,
            #"4:32: error: listeners[0].other.split: "cluster" and "split" exclude each other (keep one)"#,
            "4:32: error: listeners[0].other.split: a split needs at least one cluster",
            #"4:36: error: listeners[0].other.detect: unknown key "detect" (valid keys: cluster, "#
                + "max_connect_attempts, split)"),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                """#),
            #"2:3: error: listeners[0]: "cluster" is required (a tcp listener needs "cluster", "split" or "#
                + #""sni")"#),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                clustr: api
                """#),
            #"5:3: error: listeners[0].clustr: unknown key "clustr" (did you mean "cluster"?)"#),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                cluster: apu
                filters: [router]
                routes: []
                upgrades: off
                forward_client_cert: sanitize
                limits: { request_headers: 1KiB, http2: {} }
                """#),
            #"5:12: error: listeners[0].cluster: no cluster "apu" (did you mean "api"?)"#,
            "6:12: error: listeners[0].filters: has no meaning for protocol: tcp (remove it)",
            "7:11: error: listeners[0].routes: has no meaning for protocol: tcp (write cluster, split or sni)",
            "8:13: error: listeners[0].upgrades: has no meaning for protocol: tcp (remove it)",
            "9:24: error: listeners[0].forward_client_cert: has no meaning for protocol: tcp (remove it)",
            "10:30: error: listeners[0].limits.request_headers: has no meaning for protocol: tcp (remove it)",
            "10:43: error: listeners[0].limits.http2: has no meaning for protocol: tcp (remove it)"),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                cluster: api
                split: [{ cluster: api }]
                """#),
            #"6:10: error: listeners[0].split: "cluster" and "split" exclude each other (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                tls: { certificate: a.pem, private_key: a.key }
                sni: [{ hosts: [a.example], cluster: api }]
                """#),
            #"6:8: error: listeners[0].sni: chooses by a handshake that passes through, and "tls" ends it "#
                + "here (keep one)"),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                sni:
                - { hosts: [a.example, "*.b.example", "www.*", 10.0.0.1], cluster: api }
                - { hosts: "*.b.example", cluster: apu }
                - { hosts: [], split: [{ cluster: api, weight: 0 }] }
                - { cluster: api }
                - { hosts: ["*"] }
                """#),
            #"6:41: error: listeners[0].sni[0].hosts[2]: "www.*" is no pattern for server names (write "#
                + "*.example.com, or the whole name)",
            #"6:50: error: listeners[0].sni[0].hosts[3]: "10.0.0.1" is an address: server names are not "#
                + "(choose by a listener's address)",
            #"7:14: error: listeners[0].sni[1].hosts: "*.b.example" twice in one listener (first on line 6)"#,
            #"7:38: error: listeners[0].sni[1].cluster: no cluster "apu" (did you mean "api"?)"#,
            #"8:14: error: listeners[0].sni[2].hosts: an empty list matches nothing (write ["*"] for all)"#,
            "8:25: error: listeners[0].sni[2].split: the weights add up to 0 (give one of them a weight "
                + "above 0)",
            #"9:5: error: listeners[0].sni[3]: "hosts" is required (expected a list such as "#
                + #"[shop.example.com, "*.example.com"])"#,
            #"10:5: error: listeners[0].sni[4]: one of "cluster", "split" is required"#),
        Mistake(
            Around.listener(
                #"""
                protocol: tcp
                sni: []
                max_connect_attempts: 0
                """#),
            "5:8: error: listeners[0].sni: an empty list takes no connection (sni: [{ hosts: "
                + "[shop.example.com], cluster: shop }])",
            "6:25: error: listeners[0].max_connect_attempts: 0 is out of bounds (expected 1 to 100)"),
        Mistake(
            Around.listener(
                #"""
                limits:
                  max_concurrent_streams: 0
                  detect_timeout: 0
                  http2: { initial_stream_window: 2MiB, initial_connection_window: 1MiB, max_frame_size: 8KiB, floods: { reset: {}, pings: { burst: 0, perSecond: 5 }, settings: 5, queued_frames: 1 } }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "5:29: error: listeners[0].limits.max_concurrent_streams: 0 is out of bounds (expected 1 to "
                + "1000000)",
            "6:21: error: listeners[0].limits.detect_timeout: 0 is out of bounds (expected 1ms to 1m)",
            "6:21: error: listeners[0].limits.detect_timeout: is not used: there are no protocols to tell apart here "
                + #"(it is for "other", tls.optional, and sni with a cluster for the rest)"#,
            "7:70: error: listeners[0].limits.http2.initial_connection_window: one stream's window would be "
                + "larger than the connection's (write initial_connection_window: 2MiB or more)",
            #"7:76: error: listeners[0].limits.http2.max_frame_size: unknown key "max_frame_size" (valid keys: "#
                + "floods, header_table_size, initial_connection_window, initial_stream_window)",
            #"7:108: error: listeners[0].limits.http2.floods.reset: unknown key "reset" (did you mean "resets"?)"#,
            "7:135: error: listeners[0].limits.http2.floods.pings.burst: 0 is out of bounds (expected 1 to "
                + "1000000)",
            #"7:138: error: listeners[0].limits.http2.floods.pings.perSecond: unknown key "perSecond" (did you "#
                + #"mean "per_second"?)"#,
            #"7:164: error: listeners[0].limits.http2.floods.settings: expected a mapping, found "5" (write "#
                + "keys as `name: value`)",
            "7:182: error: listeners[0].limits.http2.floods.queued_frames: 1 is out of bounds (expected 10 "
                + "to 100000)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  protocol: http2
                  http2: { ping_interval: 10ms }
                """#),
            "11:27: error: clusters[0].http2.ping_interval: is below 1s (1s or more; 0 is never)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  protocol: http2
                  http2: { initial_stream_window: 32MiB, ping_timeout: 1s }
                """#),
            "11:35: error: clusters[0].http2.initial_stream_window: 32MiB is out of bounds (expected 64KiB to "
                + "16MiB)",
            "11:56: error: clusters[0].http2.ping_timeout: is not used (add ping_interval)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  protocol: http3
                """#),
            #"10:13: error: clusters[0].protocol: "http3" is not known here (did you mean "http1"? valid: "#
                + "http1, http2, auto)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  protocol: auto
                """#),
            "10:13: error: clusters[0].protocol: auto asks by TLS which protocol to speak, and there is no "
                + #""tls" (write http1 or http2, or add tls)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  http2: { max_concurrent_streams: 5 }
                  proxy_protocol: 2
                  health_check: { grpc: {} }
                """#),
            "10:10: error: clusters[0].http2: is not used (add protocol: http2, or auto with tls)",
            #"11:19: error: clusters[0].proxy_protocol: "2" is not known here (valid: v1, v2)"#,
            "12:17: error: clusters[0].health_check: by gRPC asks endpoints that speak HTTP/2 (add protocol: "
                + "http2 to the cluster)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:443"]
                  protocol: http2
                  http2: { max_concurrent_streams: 0, initial_stream_window: 1MiB, initial_connection_window: 512KiB }
                  tls: { ca: ca.pem, certificate: me.pem, verify_san: [], sni: 10.0.0.1 }
                """#),
            "11:36: error: clusters[0].http2.max_concurrent_streams: 0 is out of bounds (expected 1 to "
                + "1000000)",
            "11:95: error: clusters[0].http2.initial_connection_window: one stream's window would be larger "
                + "than the connection's (write initial_connection_window: 1MiB or more)",
            #"12:8: error: clusters[0].tls: "private_key" is required ("certificate" and "private_key" belong "#
                + "together)",
            "12:55: error: clusters[0].tls.verify_san: an empty list allows nobody (remove it to allow all)",
            #"12:64: error: clusters[0].tls.sni: "10.0.0.1" is an address: server names are not (to check it "#
                + "write verify_san: [10.0.0.1])"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:443"]
                  tls: { verify: true, sni: "api.internal.", private_key: a.key, ocsp_staple: x }
                """#),
            #"10:8: error: clusters[0].tls: "certificate" is required ("certificate" and "private_key" belong "#
                + "together)",
            #"10:18: error: clusters[0].tls.verify: there is nothing to verify by without "ca" (add ca: "#
                + "system, or a file)",
            "10:29: error: clusters[0].tls.sni: a server name has no dot at its end (remove it)",
            #"10:66: error: clusters[0].tls.ocsp_staple: unknown key "ocsp_staple" (valid keys: ca, "#
                + "certificate, cipher_suites, curves, max_version, min_version, private_key, session_resumption, "
                + "sni, verify, verify_san)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:443"]
                  tls: { verify_san: [a.example], cipher_suits: [] }
                """#),
            #"10:22: error: clusters[0].tls.verify_san: anybody can claim a name: it counts with "ca" only "#
                + "(add ca: system, or a file)",
            #"10:35: error: clusters[0].tls.cipher_suits: unknown key "cipher_suits" (did you mean "#
                + #""cipher_suites"?)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:443"]
                  tls: true
                """#),
            #"10:8: error: clusters[0].tls: expected a mapping, found "true" (write keys as `name: value`)"#),
    ]
}
