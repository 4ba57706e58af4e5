import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@Suite("Formats")
struct FormatTests {
    private static func exchange() -> Exchange {
        let exchange = Exchange()
        let request = exchange.request
        request.setMethod("GET".utf8Span.span)
        request.setTarget("/shop?a=1".utf8Span.span)
        request.setAuthority("shop.example:80".utf8Span.span)
        exchange.response.status = 503
        exchange.reason = "no-healthy-upstream"
        exchange.flags.insert(.noHealthyUpstream)
        return exchange
    }

    private static func parts(_ text: String) throws -> [FormatPart] {
        var problems: [String] = []
        let parts = FormatPart.parse(text) { problems.append("\($0) \($1 ?? "")") }
        try #require(problems.isEmpty, "\(problems)")
        return parts
    }

    private static func render(_ text: String, _ exchange: Exchange, _ style: FormatWriter.Style) throws -> String {
        var writer = FormatWriter()
        let scene = FormatWriter.Scene(duration: .milliseconds(1500), isOver: true)
        let format = Format(try parts(text))
        if style == .line {
            var line = LineBuffer()
            writer.append(format, of: exchange, scene, to: &line)
            return String(decoding: line.bytes, as: UTF8.self)
        }
        return String(decoding: writer.render(format, of: exchange, scene, as: style), as: UTF8.self)
    }

    @Test(
        "Operators",
        arguments: [
            ("%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%", "GET /shop?a=1 shop.example:80 http"),
            ("%REQ_WITHOUT_QUERY(:PATH)%|%REQ_WITHOUT_QUERY(X-NONE?X-URL)%", "/shop|/u"),
            ("%REQ(X-NONE?X-URL):3%", "/u?"), ("%REQ(X-NONE)%", "-"), ("100%% %PROTOCOL%", "100% HTTP/1.1"),
            ("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%", "0 no-healthy-upstream UH"),
            ("%DURATION%", "1500"), ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "[::1]:80 ::1"),
            ("%TRACE_ID% %SPAN_ID%", "00000000000000010000000000000002 0000000000000003"),
            ("%DYNAMIC_METADATA(jwt:sub)% %DYNAMIC_METADATA(jwt:none)% %DYNAMIC_METADATA(none:sub)%", "ann - -"),
            ("%DYNAMIC_METADATA(jwt:deep:b)% %DYNAMIC_METADATA(jwt:deep:a)% %DYNAMIC_METADATA(jwt:deep)%", "7 true -"),
            ("%FILTER_STATE(team)%", "red"), ("%CLIENT_IDENTITY% %CLIENT_IDENTITY(basic_auth)%", "ann -"),
            ("%JWT_CLAIM(sub)% %JWT_CLAIM(roles)% %JWT_CLAIM(org.id)% %JWT_CLAIM(org)%", "ann a,b 5 -"),
        ])
    func operators(format: String, text: String) throws {
        let exchange = Self.exchange()
        exchange.request.headers.set("x-url", Array("/u?q".utf8))
        exchange.upstreamAddress = "[::1]:80"
        exchange.trace = TraceContext(
            traceHigh: 1, traceLow: 2, spanID: 3, parentID: 0, upstreamSpanID: 4, isSampled: true)
        func string(_ text: String) -> [UInt8] { [5, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
        let deep: [UInt8] = [7, 2, 0, 0, 0, 1, 0, 0, 0, 0x61, 2, 1, 0, 0, 0, 0x62, 3, 7, 0, 0, 0, 0, 0, 0, 0]
        exchange.metadata["jwt"] = ["sub": string("ann"), "deep": deep]
        exchange.filterState["team"] = string("red")
        exchange.proved(
            Identity(
                .jwt, name: "ann",
                claims: .object([
                    JSONMember(name: "sub", value: .string("ann")),
                    JSONMember(name: "roles", value: .array([.string("a"), .string("b")])),
                    JSONMember(name: "org", value: .object([JSONMember(name: "id", value: .integer(5))])),
                ])))
        #expect(try Self.render(format, exchange, .line) == text)
    }

    @Test(
        "Operators about TLS",
        arguments: [
            ("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%", "TLSv1.3 TLS_AES_128_GCM_SHA256", "- -"),
            ("%DOWNSTREAM_TLS_SESSION_ID% %REQUESTED_SERVER_NAME%", "ab01 shop.example", "- -"),
            ("%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER%", "CN=api,O=\\x22Shop\\x22 CN=root", "- -"),
            ("%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_DNS_SAN%", "spiffe://td/a,https://b|a.example", "-|-"),
            ("%DOWNSTREAM_PEER_IP_SAN% %DOWNSTREAM_PEER_SERIAL%", "- 0a", "- -"),
            ("%DOWNSTREAM_PEER_FINGERPRINT_256% %DOWNSTREAM_PEER_CERT%", "ff00 pem", "- -"),
            ("%DOWNSTREAM_PEER_CERT_V_START%", "2026-01-01T00:00:00.000Z", "-"),
            ("%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d %s)%", "9999-12-31 253402300799", "-"),
            ("%DOWNSTREAM_PEER_CERT_VALIDATED%", "true", "-"),
            (
                "%DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_LOCAL_DNS_SAN%",
                "CN=me spiffe://td/me -", "- - -"
            ),
            (
                "%CLIENT_IDENTITY% %CLIENT_IDENTITY(tls)% %CLIENT_IDENTITY(jwt)%", "spiffe://td/a spiffe://td/a -",
                "- - -"
            ),
        ])
    func tls(format: String, text: String, clear: String) throws {
        let exchange = Self.exchange()
        #expect(try Self.render(format, exchange, .line) == clear)
        let peer = CertificateDetails(
            subject: "CN=api,O=\"Shop\"", issuer: "CN=root", commonNames: [], organizationNames: [],
            uriSANs: ["spiffe://td/a", "https://b"], dnsSANs: ["a.example"], ipSANs: [], emailSANs: [], oids: [],
            serialNumber: "0a", fingerprint: "ff00", validFrom: 1_767_225_600, expires: 253_402_300_799,
            encodedPEM: "pem", encodedChain: "")
        let local = CertificateDetails(
            subject: "CN=me", issuer: "", commonNames: [], organizationNames: [], uriSANs: ["spiffe://td/me"],
            dnsSANs: [], ipSANs: [], emailSANs: [], oids: [], serialNumber: "", fingerprint: "", validFrom: 0,
            expires: 0, encodedPEM: "", encodedChain: "")
        exchange.downstream = Downstream(
            directRemoteIP: "192.0.2.1", directRemotePort: 1, localAddress: "", listener: "l", scheme: .https,
            connectionID: 1,
            tls: TLSDetails(
                version: .tls13, cipherSuiteID: 0x1301, cipherSuite: "TLS_AES_128_GCM_SHA256",
                serverName: "shop.example", alpn: "h2", sessionID: "ab01", isResumed: false, peer: peer, local: local,
                isPeerValidated: true))
        #expect(try Self.render(format, exchange, .line) == text)
    }

    @Test("In a field, what has no value is nothing, and white space at the ends goes")
    func field() throws {
        let exchange = Self.exchange()
        #expect(try Self.render("%REQ(X-NONE)%", exchange, .field) == "")
        #expect(try Self.render("a %REQ(X-NONE)%", exchange, .field) == "a")
        exchange.request.headers.set("x-quote", Array("\"e\\tag\"".utf8))
        #expect(try Self.render("%REQ(X-QUOTE)%", exchange, .field) == "\"e\\tag\"")
    }

    @Test("Times in patterns are UTC and right about leap days")
    func time() throws {
        let pattern = "%START_TIME(%Y-%m-%d %e %j %a %b %y %H:%M:%S.%3f %z %Z %s %% %F %T)%"
        let text = try Self.render(pattern, Self.exchange(), .line)
        let now = WallClock.now().nanoseconds / 1_000_000_000
        let fields = text.split(separator: " ").map(String.init)
        let epoch = try #require(fields.first { UInt64($0).map { $0 + 3 > now && $0 <= now } == true })
        #expect(fields[0] == fields[fields.count - 2])
        #expect(!epoch.isEmpty && text.contains(" +0000 UTC ") && text.contains(" % "))
        for (year, month, day) in [
            (1970, 1, 1), (2000, 2, 29), (2023, 12, 31), (2024, 2, 29), (2024, 3, 1), (2100, 3, 1),
        ] {
            let days = LogTime.days(year: year, month: month, day: day)
            #expect(LogTime.date(days: days) == (year, month, day))
        }
        #expect(LogTime.days(year: 2024, month: 12, day: 31) - LogTime.days(year: 2024, month: 1, day: 1) == 365)
    }

    @Test("Whatever is in a request, no format's text ends a line, leaves a field or breaks JSON")
    func harmless() throws {
        var bytes = Bytes(seed: 42)
        let text =
            "x%REQ(X-A)%y%REQ(X-A):7%%REQ(:PATH)%%RESPONSE_CODE_DETAILS%%CLIENT_IDENTITY%%DYNAMIC_METADATA(n:k)%"
            + "%JWT_CLAIM(c)%%UPSTREAM_HOST%%SHADOW%%FILTER_STATE(f)%"
        let plain = Format(try Self.parts(text))
        let json = Format(
            .object([
                ("whole", .text(try Self.parts(text))), ("one", .text(try Self.parts("%REQ(X-A):9%"))),
                ("number", .text(try Self.parts("%RESPONSE_CODE%"))),
                ("list", .list([.constant("1"), .constant("null")])),
            ]))
        var writer = FormatWriter()
        for _ in 0..<2000 {
            let exchange = Self.exchange()
            exchange.request.headers.set("x-a", bytes.array(upTo: 40))
            exchange.request.setTarget(([0x2F] + bytes.array(upTo: 20)).span)
            let any = String(decoding: bytes.array(upTo: 30), as: UTF8.self)
            exchange.reason = any
            exchange.upstreamAddress = any
            exchange.shadowNotes = [any]
            exchange.metadata["n"] = ["k": bytes.array(upTo: 30)]
            exchange.filterState["f"] = [5, 3, 0, 0, 0] + bytes.array(upTo: 5)
            exchange.proved(
                Identity(.jwt, name: any, claims: .object([JSONMember(name: "c", value: .string(any))])))
            let scene = FormatWriter.Scene(duration: .zero, isOver: true)
            let field = writer.render(plain, of: exchange, scene, as: .field)
            #expect(HeaderTable.isSafeValue(field.span) && !field.contains { $0 < 0x20 && $0 != 9 || $0 == 0x7F })
            #expect(field.first != 0x20 && field.last != 0x20)
            var line = LineBuffer()
            writer.append(plain, of: exchange, scene, to: &line)
            #expect(!line.bytes.contains { $0 < 0x20 || $0 == 0x7F || $0 == 0x22 })
            line.removeAll()
            writer.append(json, of: exchange, scene, to: &line)
            let object = try JSONReader.read(line.bytes.span)
            #expect(object["number"] == .integer(0))
        }
    }

    @Test("A field of JSON that is one operator keeps its kind")
    func kinds() throws {
        let diagnostics = ConfigDiagnostics()
        let written = Written(
            #"f: { code: "%RESPONSE_CODE%", none: "%REQ(X)%", some: "a-%REQ(X)%", n: 5, t: true, z: null, q: "5", "a\"b": { c: ["%DURATION%"] } }"#
        )
        let template = try #require(written.section.template("f"))
        var line = LineBuffer()
        var writer = FormatWriter()
        writer.append(
            Format(template), of: Self.exchange(), .init(duration: .milliseconds(3), isOver: false), to: &line)
        #expect(written.errors.isEmpty && diagnostics.errors.isEmpty)
        #expect(
            String(decoding: line.bytes, as: UTF8.self)
                == #"{"code":503,"none":null,"some":"a--","n":5,"t":true,"z":null,"q":"5","a\"b":{"c":[3]}}"#)
    }

    @Test(
        "Mistakes in formats",
        arguments: [
            ("%REQ%", "%REQ% names no header"), ("%REQ(:STATUS)%", "names no header"),
            ("%START_TIME(%Q)%", "%Q is not known"), ("%START_TIME(now)%", "nothing of a time"),
            ("%DYNAMIC_METADATA(x)%", "NAMESPACE:KEY"), ("%JWT_CLAIM%", "names no claim"),
            ("%CLIENT_IDENTITY(jtw)%", "did you mean \"jwt\"?"), ("%LOCAL_REPLY_BODY%", "in local_replies only"),
            ("%DURATION(x)%", "takes no argument"), ("%DURATION:0%", "is not an operator"), ("50%", "write %% for"),
        ])
    func mistakes(format: String, message: String) {
        var problems = ""
        _ = FormatPart.parse(format) { problems += "\($0) \($1 ?? "")\n" }
        #expect(problems.contains(message), "\(problems)")
    }

    @Test(
        "Accept: who would rather have JSON",
        arguments: [
            ("application/json", true), ("*/*", false), ("", false), ("text/plain", false), ("application/*", false),
            ("application/json, text/plain, */*", true), ("application/json;q=0.8, text/plain", false),
            ("application/json, text/plain;q=0.9", true),
            ("text/plain;q=0.1, application/json;q=0.9", true), ("application/json;q=0", false),
            ("application/json;q=0.5, */*", false), ("application/json, */*;q=0.8", true),
            ("text/*, application/json", true), ("text/html, application/problem+json", true),
            ("APPLICATION/JSON ; charset=utf-8; Q=1.0", true), ("application/json;q=1.5", true),
            ("application/json;q=x", false), ("application/json;q=0.1234", false), (",,;;q=,application/json", true),
        ])
    func accept(value: String, isJSON: Bool) {
        let headers = HeaderTable()
        headers.set("accept", Array(value.utf8))
        #expect(Accept.prefersJSON(headers) == isJSON)
    }
}
