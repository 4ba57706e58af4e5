import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

extension ScriptedUpstream {
    /// The last request, whole.
    fileprivate var received: String { recorded.last ?? "" }
}

/// A folder for module files, gone with the object.
final class ModuleFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-modules-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

@Suite("Native modules")
struct NativeModuleTests {
    // MARK: The template

    @Test("The template: built, loaded, its settings and a route's, its counter")
    func template() throws {
        let folder = try ModuleFolder()
        try NativeBuild.install(try NativeBuild.geo(), as: folder.file("libGeoFilter.so"))
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: """
                    xff_num_trusted_hops: 1
                    filters:
                      - geo: { regions: { at: [192.0.2.0/24], de: [198.51.100.0/24] }, deny: [de] }
                      - headers: { response: { add: { x-was: "yes" } } }
                      - router
                    routes:
                      - { match: { path: { prefix: /open } }, cluster: up, filters: { geo: { deny: [] } } }
                      - { match: { path: { prefix: /off } }, cluster: up, filters: { geo: off } }
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port, Self.modules("geo", folder.file("libGeoFilter.so"))),
            companions: [upstream])
        func answer(_ path: String, _ client: String) throws -> String {
            try proxy.get(path, headers: "X-Forwarded-For: \(client)\r\nX-Region: forged\r\n")
        }
        #expect(try answer("/", "192.0.2.7").hasPrefix("HTTP/1.1 200 "))
        // Set in the place and case of the client's own.
        #expect(upstream.received.contains("X-Region: at\r\n"))
        #expect(try answer("/", "203.0.113.1").hasPrefix("HTTP/1.1 200 "))
        #expect(!upstream.received.contains("X-Region"))
        let refused = try answer("/", "198.51.100.9")
        #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.contains("x-martlet-error: region-denied\r\n"))
        #expect(refused.contains("x-was: yes\r\n"))
        #expect(try answer("/open", "198.51.100.9").hasPrefix("HTTP/1.1 200 "))
        #expect(try answer("/off", "198.51.100.9").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.metric("martlet_geo_denied_total{listener=\"public\"}") == "1")
        #expect(try proxy.metric("martlet_module_versions_loaded{module=\"geo\"}") == "1")
        #expect(try proxy.admin("/config").contains("libGeoFilter.so"))
    }

    private static func modules(_ name: String, _ file: URL, _ more: String = "") -> String {
        "modules:\n  - { name: \(name), path: \(file.path)\(more) }"
    }

    // MARK: The whole API

    private func probe(
        _ answer: String = ok, settings: String = "label: one", more: String = ""
    ) throws -> (TestProxy, ScriptedUpstream, ModuleFolder) {
        let folder = try ModuleFolder()
        try NativeBuild.install(try NativeBuild.probe(), as: folder.file("probe.so"))
        try "from the file\n".write(to: folder.file("probe.txt"), atomically: true, encoding: .utf8)
        let upstream = try ScriptedUpstream.answering(answer)
        let proxy = try TestProxy(
            listener: """
                    filters: [{ probe: { \(settings) } }, router]
                    routes:
                      - { name: edited, match: { path: { prefix: /edited } }, cluster: up }
                      - { match: { path: { prefix: /two } }, cluster: up, filters: { probe: { label: two } } }
                      - { name: rest, match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port, Self.modules("probe", folder.file("probe.so"), more)),
            companions: [upstream])
        return (proxy, upstream, folder)
    }

    private func field(_ name: String, of response: String) -> String? {
        response.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix(name + ": ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    @Test("What a filter reads: head, client, route, place, its file")
    func reads() throws {
        let (proxy, upstream, folder) = try probe()
        _ = (upstream, folder)
        try "alpha\n".write(to: proxy.directory.appendingPathComponent("probe.txt"), atomically: true, encoding: .utf8)
        try proxy.configure(
            listener: """
                    filters: [{ probe: { label: one, file: probe.txt } }, router]
                    routes: [{ name: rest, match: {}, cluster: up }]
                """, rest: TestProxy.cluster(upstream.port, Self.modules("probe", folder.file("probe.so"))))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        let answer = try proxy.exchange(
            "GET /a/b?c=d HTTP/1.1\r\nHost: shop.test\r\nX-Seen: 1\r\nX-Probe: info\r\nx-seen: 2\r\n"
                + "Connection: close\r\n\r\n")
        #expect(
            field("x-note", of: answer)
                == "GET|get|/a/b|c=d|shop.test|http11|http|none|127.0.0.1|rest|0|127.0.0.1|public|public|0|0|true|true|2|alpha|x-seen:2",
            "\(answer)")
        #expect(field("x-label", of: answer) == "one")
        // The file that the module read is watched.
        try "beta\n".write(to: proxy.directory.appendingPathComponent("probe.txt"), atomically: true, encoding: .utf8)
        let isSeen = try eventually {
            field("x-note", of: try proxy.get("/", headers: "X-Probe: info\r\n"))?.contains("|beta|") == true
        }
        #expect(isSeen)
    }

    @Test("What a filter edits goes upstream and is what routes are matched by")
    func edits() throws {
        let (proxy, upstream, folder) = try probe()
        _ = folder
        let answer = try proxy.get(
            "/", headers: "X-Probe: edit\r\nX-List: a\r\nX-Many: 1\r\nX-Many: 2\r\nX-Gone: 1\r\nX-Gone: 2\r\n")
        #expect(field("x-note", of: answer) == "true false false|edited")
        let sent = upstream.received
        #expect(sent.hasPrefix("PUT /edited?by=probe HTTP/1.1\r\n"), "\(sent)")
        #expect(field("host", of: sent) == "edited.test")
        #expect(field("x-list", of: sent) == "a, more")
        #expect(field("x-once", of: sent) == "1")
        let many = sent.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("x-many: ") }
        #expect(many == ["X-Many: 2nd", "x-many: third", "X-Many: fourth"])
        #expect(!sent.lowercased().contains("x-gone"))
        #expect(field("x-label", of: try proxy.get("/two")) == "two")
    }

    @Test(
        "Verdicts, at once and later",
        arguments: [
            ("reply", "HTTP/1.1 418 ", "teapot", nil), ("refuse", "HTTP/1.1 403 ", "not-you", nil),
            ("refuse-late", "HTTP/1.1 429 ", "later", nil), ("late-reply", "HTTP/1.1 502 ", "bad-answer", nil),
            ("timer", "HTTP/1.1 200 ", nil, "fired"), ("cancelled", "HTTP/1.1 200 ", nil, nil),
            ("status", "HTTP/1.1 202 Taken", nil, nil),
            ("bad-field", "HTTP/1.1 500 ", "invalid-response-after-filters", nil),
            ("identity", "HTTP/1.1 200 ", nil, "true|somebody here true|true false"),
            ("reset", "", nil, nil),
        ] as [(String, String, String?, String?)])
    func verdicts(wish: String, start: String, reason: String?, note: String?) throws {
        let (proxy, upstream, folder) = try probe()
        _ = (upstream, folder)
        let answer = try proxy.get("/", headers: "X-Probe: \(wish)\r\n")
        #expect(answer.hasPrefix(start) && answer.isEmpty == start.isEmpty, "\(answer)")
        #expect(field("x-martlet-error", of: answer) == reason)
        #expect(field("x-note", of: answer) == note)
        let ended = "martlet_probe_ended_total{listener=\"public\",label=\"one\"}"
        let isOver = try eventually { try proxy.metric(ended) == "1" && proxy.metric(Self.open) == "0" }
        #expect(isOver)
        #expect(try eventually { try proxy.metric("martlet_probe_ticks_total{listener=\"public\"}") == "1" })
        #expect(try proxy.metric("martlet_probe_time_count{listener=\"public\"}") == "1")
        if wish == "identity" { #expect(eventually { proxy.logged.contains("probe says somebody") }) }
    }

    private static let open = "martlet_probe_open{listener=\"public\"}"

    @Test(
        "Bodies: collected, replaced piece by piece, held, kept, refused",
        arguments: [
            ("collect", "HELLO", "5|true"), ("hold-body", "hello", nil), ("keep", "hello", "kept hello"),
            ("collect-small", nil, nil), ("chunks", "hellohello", nil),
        ] as [(String, String?, String?)])
    func bodies(wish: String, sent: String?, note: String?) throws {
        let (proxy, upstream, folder) = try probe()
        _ = folder
        let answer = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: test\r\nX-Probe: \(wish)\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        guard let sent else { return #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer)") }
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && field("x-note", of: answer) == note, "\(answer)")
        let isThere = eventually { upstream.received.contains(sent) }
        #expect(isThere, "\(upstream.received)")
    }

    @Test("Bodies and trailers of responses; trailers of requests")
    func responses() throws {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\nx-end: 1\r\n\r\n"
        let (proxy, upstream, folder) = try probe(chunked)
        _ = folder
        let whole = try proxy.get("/", headers: "X-Probe: response-collect\r\nTE: trailers\r\n")
        #expect(whole.contains("<abcd>"), "\(whole)")
        let pieces = try proxy.get("/", headers: "X-Probe: response-chunks\r\nTE: trailers\r\n")
        #expect(pieces.contains("AB") && pieces.contains("CD"), "\(pieces)")
        #expect(pieces.contains("x-trailer-seen: yes\r\n"), "\(pieces)")
        _ = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                + "1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n")
        let isThere = eventually { upstream.received.contains("x-trailer-seen: 1\r\n") }
        #expect(isThere, "\(upstream.received)")
    }

    @Test("Calls to clusters, whole and in pieces")
    func calls() throws {
        let answer = "HTTP/1.1 201 Made\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nanswer"
        let (proxy, upstream, folder) = try probe(answer)
        _ = folder
        #expect(field("x-note", of: try proxy.get("/", headers: "X-Probe: call\r\n")) == "201|text/plain|answer")
        let question = upstream.recorded.first ?? ""
        #expect(question.hasPrefix("POST /question HTTP/1.1\r\n") && question.hasSuffix("what?"))
        let streamed = field("x-note", of: try proxy.get("/", headers: "X-Probe: stream\r\n"))
        #expect(streamed == "201|answer|ended 6|kept answer")
        #expect(upstream.recorded.contains { $0.hasPrefix("POST /stream ") && $0.contains("piece") })
    }

    @Test("A hook that holds its worker is counted and named in the log; `slow_hook: 0` looks away")
    func slow() throws {
        let series = "martlet_module_slow_hooks_total{listener=\"public\",module=\"probe\",filter=\"probe\"}"
        let (proxy, upstream, folder) = try probe()
        _ = try proxy.get("/", headers: "X-Probe: slow\r\n")
        #expect(try proxy.metric(series) == "1")
        #expect(eventually { proxy.logged.contains("module probe: onRequestHead of filter probe held its worker") })
        try proxy.configure(
            listener: "    filters: [{ probe: { label: one } }, router]\n    routes: [{ match: {}, cluster: up }]",
            rest: TestProxy.cluster(
                upstream.port, Self.modules("probe", folder.file("probe.so"), ", slow_hook: 0")))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        _ = try proxy.get("/", headers: "X-Probe: slow\r\n")
        #expect(try proxy.metric(series) == "1")
        // The same file is the same version.
        #expect(try proxy.metric("martlet_module_versions_loaded{module=\"probe\"}") == "1")
    }

    // MARK: Swapping

    @Test("Versions are swapped under load by replacing the file: no request fails, and none is unloaded")
    func swaps() throws {
        let folder = try ModuleFolder()
        let file = folder.file("stamp.so")
        func version(_ number: Int) throws {
            let next = folder.file("next.so")
            try NativeBuild.c(Self.answering("v\(number)"), to: next)
            try NativeBuild.install(next, as: file)
        }
        try version(0)
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            workers: 2,
            listener: "    filters: [small: {}, router]\n    routes: [{ match: {}, cluster: up }]",
            rest: TestProxy.cluster(upstream.port, Self.modules("small", file)), companions: [upstream])
        let loads = (0..<4).map { _ in SteadyLoad(proxy) }
        for number in 1...8 {
            try version(number)
            let isSwapped = try eventually { try proxy.get("/").contains("x-version: v\(number)\r\n") }
            #expect(isSwapped, "version \(number)")
        }
        // A version that was there before is not loaded anew.
        try version(3)
        let isBack = try eventually { try proxy.get("/").contains("x-version: v3\r\n") }
        #expect(isBack)
        // A file that is no module keeps the version in force.
        try Data("no library".utf8).write(to: folder.file("next.so"))
        try NativeBuild.install(folder.file("next.so"), as: file)
        #expect(eventually { proxy.logged.contains("cannot be loaded") })
        #expect(try proxy.get("/").contains("x-version: v3\r\n"))
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
        #expect(loads.allSatisfy { $0.sent > 0 })
        #expect(try proxy.metric("martlet_module_versions_loaded{module=\"small\"}") == "9")
    }

    @Test("The template is swapped under load: what exchanges hold of the old version lives on")
    func swapsSwift() throws {
        let folder = try ModuleFolder()
        let file = folder.file("probe.so")
        let library = try NativeBuild.probe()
        try NativeBuild.install(library, as: file)
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            workers: 2,
            listener: "    filters: [probe: { label: one }, router]\n    routes: [{ match: {}, cluster: up }]",
            rest: TestProxy.cluster(upstream.port, Self.modules("probe", file)), companions: [upstream])
        let loads = (0..<4).map { _ in SteadyLoad(proxy) }
        for number in 1...3 {
            try NativeBuild.install(library, as: file, note: "build \(number)")
            let series = "martlet_module_versions_loaded{module=\"probe\"}"
            #expect(try eventually { try proxy.metric(series) == "\(number + 1)" })
            #expect(try eventually { try proxy.metric("martlet_config_version") == "\(number + 1)" })
            #expect(field("x-note", of: try proxy.get("/", headers: "X-Probe: timer\r\n")) == "fired")
        }
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
        let isOver = try eventually { try proxy.metric(Self.open) == "0" }
        #expect(isOver)
    }

    /// A module in C: it names its version in each response.
    static func answering(_ version: String, name: String = "small") -> String {
        """
        static const martlet_host *host;
        static martlet_borrowed_bytes text(const char *t) {
            return (martlet_borrowed_bytes){ (const uint8_t *)t, __builtin_strlen(t) };
        }
        static int nothing;
        static void release(void *object) { (void)object; }
        static martlet_owned_config decode(size_t k, const martlet_borrowed_section *s, martlet_borrowed_load l) {
            return (martlet_owned_config)&nothing;
        }
        static martlet_owned_config decode_route(
            size_t k, const martlet_borrowed_section *s, martlet_borrowed_config c, martlet_borrowed_load l) {
            return (martlet_owned_config)&nothing;
        }
        static martlet_owned_config off(size_t k, martlet_borrowed_config c) { return 0; }
        static uint32_t proofs(size_t k) { return 0; }
        static martlet_owned_filter make(
            size_t k, martlet_borrowed_config c, martlet_owned_context context, uint32_t *hooks) {
            host->release(context);
            *hooks = MARTLET_RESPONSE_HEAD;
            return (martlet_owned_filter)&nothing;
        }
        static martlet_owned_face make_face(void) {
            return (martlet_owned_face)__builtin_malloc(sizeof(martlet_borrowed_parts));
        }
        static void open(martlet_borrowed_face face, const martlet_borrowed_parts *parts) {
            *(martlet_borrowed_parts *)face = *parts;
        }
        static void close(martlet_borrowed_face face) { __builtin_memset(face, 0, sizeof(martlet_borrowed_parts)); }
        static martlet_verdict head(martlet_borrowed_filter f, martlet_borrowed_face face) {
            host->headers_set(((martlet_borrowed_parts *)face)->response_headers, text("x-version"), text("\(version)"));
            return (martlet_verdict){ MARTLET_NEXT, 0, 0 };
        }
        static martlet_verdict none(martlet_borrowed_filter f, martlet_borrowed_face face) {
            return (martlet_verdict){ MARTLET_NEXT, 0, 0 };
        }
        static martlet_verdict body(
            martlet_borrowed_filter f, martlet_borrowed_face face, const martlet_borrowed_chunk_view *c) {
            return none(f, face);
        }
        static void end(martlet_borrowed_filter f, martlet_borrowed_face face) {}
        static void fired(martlet_borrowed_action a) {}
        static void done(martlet_borrowed_action a, const martlet_call_result *r) {}
        static void event(martlet_borrowed_action a, const martlet_stream_event *e) {}
        const martlet_module *martlet_module_entry(const martlet_host *h) {
            static martlet_borrowed_bytes kinds[1];
            static martlet_module table;
            host = h;
            kinds[0] = text("\(name)");
            table = (martlet_module){
                MARTLET_MODULE_VERSION, sizeof table, { 0, 0 }, kinds, 1, release, decode, decode_route, off, proofs, make,
                make_face, open, close, none, body, none, head, body, none, end, fired, done, event };
            return &table;
        }
        """
    }
}
