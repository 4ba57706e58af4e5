import Foundation
import MartletTesting
import Testing

/// What HTTP/1.1 and HTTP/2 say in different ways has to be said again in the other's.
@Suite("From one version of HTTP to the other")
struct CrossVersionTests {
    private func client(_ wire: Wire, _ proxy: TestProxy) throws -> TalkingTool {
        let tls = wire.downstream.isTLS ? [try Wire.authority(), Wire.name] : []
        return try TalkingTool(Origin.python, [Origin.script("h2_client.py"), "\(proxy.port)"] + tls)
    }

    private func isQuiet(_ proxy: TestProxy) throws -> Bool {
        try eventually { try proxy.metric("martlet_cluster_requests_active{cluster=\"up\"}") == "0" }
    }

    // MARK: Ends before the end

    @Test(
        "A response that breaks off in its middle breaks off for the client, and for that request alone",
        arguments: Wire.all)
    func upstreamResets(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        for path in ["/cut", "/cut/unsized"] {
            if wire.downstream.isHTTP2 {
                // On one connection, whose other requests do not notice; INTERNAL_ERROR.
                let client = try client(wire, proxy)
                for _ in 0..<2 {
                    let (cut, whole) = (try client.ask("ask GET \(path)"), try client.ask("ask GET /bytes/1600"))
                    // What has not left yet need not.
                    #expect(["200 0 reset 2", "200 512 reset 2"].contains(cut), "\(cut)")
                    #expect(whole == "200 1600 end")
                }
            } else {
                let result = try Tool.run("curl", try wire.curl(proxy.port) + [wire.url(proxy.port, path)])
                // 18: a part of a file; 56: no end of chunks, or of TLS.
                #expect([18, 56].contains(result.code) && result.output.contains("0123456789abcdef"), "\(result)")
            }
        }
        #expect(try wire.get(proxy, "/seen").status == 200)
        #expect(try isQuiet(proxy))
    }

    @Test("A client that gives up is told on to upstream", arguments: Wire.all)
    func clientResets(wire: Wire) throws {
        let origin = try Origin()
        // No timeout of the route's comes first.
        let proxy = try origin.proxy(
            wire, listener: "    filters: [router]\n    routes: [{ match: {}, cluster: up, timeout: 0 }]")
        func tells(_ what: String, _ name: String) throws -> Bool {
            try eventually { try wire.get(proxy, "/told/\(name)").body == what }
        }
        let gone = try WaitingClient(wire, proxy, "/hang/closed")
        #expect(try tells("[\"begun\"]", "closed"))
        gone.giveUp()
        #expect(try tells("[\"begun\",\"gone\"]", "closed"))
        if wire.downstream.isHTTP2 {
            let client = try client(wire, proxy)
            #expect(try client.ask("begin /hang/reset") == "begun")
            #expect(try tells("[\"begun\"]", "reset"))
            #expect(try client.ask("reset") == "reset")
            #expect(try tells("[\"begun\",\"gone\"]", "reset"))
        }
        #expect(try isQuiet(proxy))
    }

    @Test(
        "A client that ends its sending over TLS, and says so, waits for its answer",
        arguments: [WireForm.http1, .http2])
    func halfClosed(upstream: WireForm) throws {
        let origin = try Origin()
        // The answer comes well behind the client's end.
        let proxy = try origin.proxy(
            Wire(.http1TLS, upstream),
            listener: """
                    filters: [{ fault: { delay: { duration: 300ms, percent: 100% } } }, router]
                    routes: [{ match: {}, cluster: up }]
                """)
        let told = try Tool.run(
            Origin.python,
            [Origin.script("half_closed_client.py"), "\(proxy.port)", try Wire.authority(), Wire.name, "/bytes/16"])
        #expect(told.code == 0 && told.output.hasPrefix("HTTP/1.1 200 "), "\(told)")
        #expect(told.output.hasSuffix("\r\n\r\n0123456789abcdef"))
    }

    @Test(
        "An answer before the request's end, and an upstream that wants no more of it",
        arguments: Wire.all.filter { !$0.upstream.isTLS })
    func early(wire: Wire) throws {
        let plain = try ScriptedUpstream { _, connection in
            while connection.receive(until: { $0.text.contains("unfinished") }) {
                try? connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
                connection.finishSending()
                return
            }
        }
        let odd = try OddUpstream("early")
        let proxy = try TestProxy(
            listener: try wire.listener() + TestProxy.forwarding,
            rest: TestProxy.cluster(wire.upstream.isHTTP2 ? odd.port : plain.port, try wire.cluster()),
            companions: [plain])
        for _ in 0..<3 {
            if wire.downstream.isHTTP2 {
                // The whole answer, then NO_ERROR: the rest is not needed (RFC 9113 section 8.1).
                #expect(try client(wire, proxy).ask("ask POST /x") == "413 3 end reset 0")
            } else if wire.downstream.isTLS {
                let answer = try wire.get(proxy, "/x", ["-H", "expect:", "--data-binary", "@-"], input: "unfinished")
                #expect(answer.status == 413 && answer.body == "big")
            } else {
                // What is left of the request is read and thrown away, and then comes the next one.
                let client = try proxy.connect()
                for _ in 0..<2 {
                    try client.send(
                        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\nunfinished\r\n")
                    #expect(client.receive { $0.text.hasSuffix("\r\n\r\nbig") }, "\(client.text)")
                    #expect(client.text.hasPrefix("HTTP/1.1 413 "))
                    client.forget()
                    try client.send("0\r\n\r\n")
                }
            }
        }
        #expect(try isQuiet(proxy))
    }

    // MARK: Heads

    @Test("te goes no further than it may", arguments: Wire.all)
    func te(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        let asked = try SeenRequest(try wire.send(proxy, "GET", "/seen", fields: [["te", "trailers"]]).body)
        // To gRPC servers it is a must; HTTP/1.1 has it for one connection only (RFC 9110 section 10.1.4).
        let isKept = wire.downstream.isHTTP2 && wire.upstream.isHTTP2
        #expect(asked["te"] == (isKept ? ["trailers"] : []) && asked["connection"] == [])
        let other = [["te", "trailers, deflate;q=0.5"], ["connection", "te"]]
        if wire.downstream.isHTTP2 {
            // RFC 9113 section 8.2.2.
            let result = try wire.tell(proxy, "GET", "/seen", fields: [other[0]])
            #expect(result.output.contains("StreamReset stream_id:1, error_code:1"), "\(result)")
        } else {
            let seen = try SeenRequest(try wire.send(proxy, "GET", "/seen", fields: other).body)
            #expect(seen["te"] == [] && seen["connection"] == [])
        }
    }

    @Test(
        "The scheme is that of the client's connection, or a trusted proxy's word, whatever the request says",
        arguments: Wire.all.filter(\.upstream.isHTTP2))
    func scheme(wire: Wire) throws {
        let origin = try Origin()
        let (own, other) = wire.downstream.isTLS ? ("https", "http") : ("http", "https")
        for isTrusted in [false, true] {
            let proxy = try origin.proxy(
                wire, listener: (isTrusted ? "    xff_num_trusted_hops: 1\n" : "") + TestProxy.forwarding)
            let lied = try SeenRequest(try wire.send(proxy, "GET", "/seen", scheme: other).body)
            #expect(lied.pseudo[":scheme"] == own && lied["x-forwarded-proto"] == [own])
            let told = try wire.send(proxy, "GET", "/seen", fields: [["x-forwarded-proto", other]])
            let expected = isTrusted ? other : own
            let seen = try SeenRequest(told.body)
            #expect(seen.pseudo[":scheme"] == expected && seen["x-forwarded-proto"] == [expected])
        }
    }

    @Test("One host, whichever way it is said, or none and a refusal", arguments: Wire.all)
    func hosts(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        func host(_ path: String, _ authority: String, _ fields: [[String]] = []) throws -> String? {
            let told = try wire.send(proxy, "GET", path, fields: fields, authority: authority)
            #expect(told.status == 200, "\(told)")
            let seen = try SeenRequest(told.body)
            #expect(seen["host"] == (wire.upstream.isHTTP2 ? [] : [seen.pseudo[":authority"] ?? ""]))
            return seen.pseudo[":authority"]
        }
        #expect(try host("/seen", "a.test:81") == "a.test:81")
        guard wire.downstream.isHTTP2 else {
            // The target's counts (RFC 9112 section 3.2.2).
            #expect(try host("http://b.test/seen", "a.test") == "b.test")
            for fields in [[["host", "a.test"]], [["host", "b.test"]]] {
                #expect(try wire.send(proxy, "GET", "/seen", fields: fields, authority: "a.test").status == 400)
            }
            for authority in ["", "user@a.test", "a.test:port", "a..test"] {
                #expect(try wire.send(proxy, "GET", "/seen", authority: authority).status == 400, "\(authority)")
            }
            return
        }
        // RFC 9113 section 8.3.1.
        #expect(try host("/seen", "", [["host", "b.test"]]) == "b.test")
        #expect(try host("/seen", "a.test", [["host", "a.test"]]) == "a.test")
        for (authority, fields) in [
            ("a.test", [["host", "b.test"]]), ("", []), ("", [["host", ""]]),
            ("", [["host", "a.test"], ["host", "b.test"]]),
            ("user@a.test", []), ("a.test:port", []), ("a.test", [["host", ""]]),
        ] {
            let told = try wire.tell(proxy, "GET", "/seen", fields: fields, authority: authority)
            let isRefused =
                told.output.contains("StreamReset stream_id:1, error_code:1") || told.output.contains("\"status\": 400")
            #expect(isRefused, "\(authority), \(fields): \(told)")
        }
        // The connection of those who do it right goes on.
        #expect(try wire.get(proxy, "/seen").status == 200)
    }

    @Test("Early hints come before the response, each with its links", arguments: Wire.all)
    func hints(wire: Wire) throws {
        let origin = try Origin()
        let proxy = try origin.proxy(wire)
        let told = try wire.send(proxy, "POST", "/hints/2", pieces: ["a", "b"])
        #expect(told.status == 200 && told.body == "hinted" && told.hints == [103, 103])
        #expect(told.hinted == [["link", "</style.css>; rel=preload"], ["link", "</script.js>; rel=preload"]])
        #expect(told["link"] == [])
        let shown = try wire.get(proxy, "/hints")
        #expect(shown.heads.count == 2 && shown.heads.first?.contains("link: </style.css>; rel=preload") == true)
        guard wire.downstream == .http1 else { return }
        // HTTP/1.0 knows none of that (RFC 9110 section 15.2).
        let old = try proxy.exchange("GET /hints HTTP/1.0\r\nHost: a\r\n\r\n")
        #expect(old.hasPrefix("HTTP/1.1 200 ") && old.hasSuffix("hinted") && !old.contains("103"))
    }
}
