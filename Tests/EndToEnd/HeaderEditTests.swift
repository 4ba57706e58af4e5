import Foundation
import MartletTesting
import Testing

@Suite("The headers filter edits what it says, and no more")
struct HeaderEditTests {
    /// What upstream was sent, and what the client got, for one request.
    private func exchange(
        _ filter: String, _ head: String, response: String = "", routes: String = ""
    ) throws -> (sent: String, got: String) {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\n\(response)Content-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(
            listener: """
                    filters: [{ headers: \(filter) }, router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
        let got = try proxy.exchange("\(head)\r\nHost: test\r\nConnection: close\r\n\r\n")
        return (upstream.recorded.first ?? "", got)
    }

    @Test("Formats: what upstream and the client are told; without a value a client's own copy goes")
    func formats() throws {
        let (sent, got) = try exchange(
            """
            { request: { set: { x-client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% via %LISTENER_NAME%",
                x-user: "%CLIENT_IDENTITY%", x-plain: "50%%" }, add: { x-none: "%REQ(x-absent)%", x-path: "%REQ(:PATH):4%" },
                add_if_absent: { x-plain: other, x-new: "%REQ(x-user)%n" } },
              response: { set: { x-route: "%ROUTE_NAME%", x-status: "%RESPONSE_CODE%", x-etag: '%RESP(etag)%' }, remove: [x-secret],
                add_if_absent: { x-secret: gone } } }
            """, "GET /abcdef HTTP/1.1\r\nX-User: admin\r\nX-Client: me",
            response: "ETag: \"a\\b\"\r\nX-Secret: s\r\n", routes: "")
        #expect(sent.contains("\r\nX-Client: 127.0.0.1 via public\r\n"))
        #expect(sent.contains("\r\nx-plain: 50%\r\n"))
        #expect(sent.contains("\r\nx-path: /abc\r\n"))
        #expect(sent.contains("\r\nx-new: n\r\n"))
        for absent in ["admin", "x-none", "other"] { #expect(!sent.contains(absent), "\(sent)") }
        for field in ["x-route: route-0", "x-status: 200", "x-etag: \"a\\b\"", "x-secret: gone"] {
            #expect(got.contains("\r\n\(field)\r\n"), "\(got)")
        }
        #expect(!got.contains(": s\r\n"))
    }

    @Test(
        "Request cookies",
        arguments: [
            ("a=1; b=2; c=3", "{ remove: [b] }", "a=1; c=3"), ("b=2", "{ remove: [b] }", nil),
            ("b=2; a=1; b=3;  d", "{ remove: [b] }", "a=1; d"), ("a=1;b=2", "{ remove: [c] }", "a=1;b=2"),
            ("a=1; b=2", "{ set: { b: new, e: x } }", "a=1; b=new; e=x"), (nil, "{ set: { b: new } }", "b=new"),
            ("b=old", "{ set: { b: '%REQ(x-evil)%' } }", "b=q%22%3B%20x%3D1%2C%5C"),
            ("b=old; a=1", "{ set: { b: '%REQ(x-none)%' } }", "a=1"),
            (" b =2; bb=3", "{ remove: [b] }", "bb=3"), ("a=1\r\nCookie: b=2; c=3", "{ remove: [b, a] }", "c=3"),
        ] as [(String?, String, String?)])
    func cookies(before: String?, edit: String, after: String?) throws {
        let head = "GET / HTTP/1.1\r\nX-Evil: q\"; x=1,\\" + (before.map { "\r\nCookie: \($0)" } ?? "")
        let (sent, _) = try exchange("{ request: { cookies: \(edit) } }", head)
        let fields = sent.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("cookie: ") }
        // `=` may stand in a value.
        let expected = after?.replacingOccurrences(of: "x%3D1", with: "x=1")
        #expect(fields.map { String($0.dropFirst(8)) } == (expected.map { [$0] } ?? []))
    }

    @Test("Response cookies: safe unless said otherwise, in the place of upstream's own")
    func setCookies() throws {
        let (_, got) = try exchange(
            """
            { response: { cookies: { remove: [track], set: { sid: "%REQ(x-sid)%",
              pref: { value: dark, path: /p, domain: example.com, max_age: 1h, http_only: false, same_site: none, secure: true } } } } }
            """, "GET / HTTP/1.1\r\nX-Sid: a b;c",
            response: "Set-Cookie: track=1; Path=/\r\nSet-Cookie: sid=old\r\nset-cookie: keep=1; track=2\r\n")
        let cookies = got.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("set-cookie: ") }
        #expect(
            cookies.map { $0.dropFirst(12) } == [
                "keep=1; track=2", "sid=a%20b%3Bc; Path=/; HttpOnly; SameSite=Lax",
                "pref=dark; Path=/p; Domain=example.com; Max-Age=3600; SameSite=None; Secure",
            ])
    }

    @Test(
        "The query: names as their reader decodes them, values encoded",
        arguments: [
            ("/p?a=1&debug=1&b=2", "{ remove: [debug] }", "/p?a=1&b=2"), ("/p?debug", "{ remove: [debug] }", "/p"),
            ("/p?%64ebug=1&x", "{ remove: [debug] }", "/p?x"), ("/p?a+b=1&a%20b=2", "{ remove: ['a b'] }", "/p"),
            ("/p", "{ set: { k: 'v&w =/%%' } }", "/p?k=v%26w%20%3D%2F%25"),
            ("/p?k=1&k=2&l", "{ set: { k: v } }", "/p?l&k=v"),
            ("/p?k=1", "{ add: { k: v, 'x y': '%REQ(x-q)%' } }", "/p?k=1&k=v&x%20y=%23%20%3F%26%C3%A9"),
            ("/p?k=1", "{ set: { k: '%REQ(x-none)%' } }", "/p"), ("/p?&&a", "{ remove: [b] }", "/p?&&a"),
            ("/p?debu%67x=1", "{ remove: [debug] }", "/p?debu%67x=1"),
            ("/p?%6=1&%zz", "{ remove: ['6'] }", "/p?%6=1&%zz"),
        ])
    func query(before: String, edit: String, after: String) throws {
        let (sent, _) = try exchange(
            "{ request: { query: \(edit) } }", "GET \(before) HTTP/1.1\r\nX-Q: # ?&é")
        #expect(sent.hasPrefix("GET \(after) HTTP/1.1\r\n"), "\(sent)")
    }

    @Test("A host that a format makes must be one; without a value it stays")
    func host() throws {
        let filter = "{ request: { set: { host: '%REQ(x-host)%' } } }"
        #expect(try exchange(filter, "GET / HTTP/1.1\r\nX-Host: inner:8080").sent.contains("Host: inner:8080\r\n"))
        #expect(try exchange(filter, "GET / HTTP/1.1").sent.contains("Host: test\r\n"))
        for host in ["a b", "a/b", "u@a", "a\tb"] {
            let (sent, got) = try exchange(filter, "GET / HTTP/1.1\r\nX-Host: \(host)")
            #expect(sent == "")
            #expect(got.hasPrefix("HTTP/1.1 400 ") && got.contains("x-martlet-error: edited-host-invalid\r\n"))
        }
    }

    @Test(
        "A route's edits come after the listener's; edits do not change the route unless asked to",
        arguments: [true, false])
    func route(clears: Bool) throws {
        let (_, got) = try exchange(
            "{ request: { set: { x-canary: '1' } }, response: { set: { x-a: one } }, clear_route_cache: \(clears) }",
            "GET / HTTP/1.1",
            routes: """
                      - match: { headers: [{ name: x-canary, exact: "1" }] }
                        cluster: up
                        filters: { headers: { response: { set: { x-a: "%RESP(x-a)% two" } } } }
                """)
        #expect(got.contains("x-a: \(clears ? "one two" : "one")\r\n"), "\(got)")
    }
}
