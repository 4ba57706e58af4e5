internal import MartletXDS

/// Makes valid documents at random: keys there or not, in any order, values in every form that the language has for them.
struct MeshGenerator {
    static let files = Dictionary(
        ["a.pem", "a.key", "b.pem", "b.key", "ca.pem", "crl.pem", "staple.der", "t1.key", "p.lua", "d.txt", "m.lua"]
            .map { ($0, "of \($0)") }
    ) { one, _ in one }

    private var state: UInt64
    private let clusters = ["api", "web", "cache/blue", "db"]

    init(seed: UInt64) { state = seed }

    // MARK: Chance

    /// SplitMix64: the same document for the same seed, everywhere.
    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }
    mutating func pick<Item>(_ items: [Item]) -> Item { items[number(0...items.count - 1)] }

    mutating func some<Item>(_ items: [Item], least: Int = 0) -> [Item] {
        var chosen = items.filter { _ in chance(50) }
        if chosen.count < least { chosen = Array(items.prefix(least)) }
        return chosen
    }

    /// The entries, each there or not; the required ones are.
    mutating func mapping(_ required: [(String, Document)], _ optional: [(String, Document)] = []) -> Document {
        var entries = required + optional.filter { _ in chance(45) }
        for index in entries.indices { entries.swapAt(index, number(0...index)) }
        return .section(DocumentSection(entries))
    }

    // MARK: Values

    private func text(_ text: String) -> Document { .scalar(text, plain: false) }
    mutating func word(_ text: String) -> Document { .scalar(text, plain: chance(50)) }
    private func plain(_ text: String) -> Document { .scalar(text, plain: true) }
    private func plain(_ number: Int) -> Document { plain("\(number)") }
    private mutating func truth() -> Document { plain(chance(50) ? "true" : "false") }
    private mutating func time() -> Document { word(pick(["1s", "1000ms", "1.5s", "2m", "90s", "250ms", "1h"])) }
    private mutating func share() -> Document { word(pick(["0%", "1%", "33.5%", "50%", "100%", "0.1%"])) }
    private mutating func cluster() -> (String, Document) { ("cluster", word(pick(clusters))) }

    private mutating func split() -> (String, Document) {
        let parts = some(clusters, least: 1).map { name in
            mapping([("cluster", word(name))], [("weight", plain(number(1...100)))])
        }
        return ("split", .list(parts))
    }

    private mutating func target() -> (String, Document) { chance(60) ? cluster() : split() }

    // MARK: The document

    mutating func document() -> Document {
        let listeners = (0..<number(1...3)).map { listener($0) }
        return mapping(
            [
                ("listeners", .list(listeners)), ("clusters", .list(clusters.map { cluster(named: $0) })),
                ("policies", .list(["stamp", "guard"].map { policy($0) })),
            ], [("workers", plain(2)), ("zone", text("a"))])
    }

    private mutating func policy(_ name: String) -> Document {
        let source = chance(50) ? ("file", text("p.lua")) : ("inline", text("-- ünï\nfunction on_request() end\n"))
        return mapping(
            [("name", word(name)), source],
            [
                ("on_error", word(pick(["deny", "skip"]))), ("mode", word(pick(["enforce", "shadow"]))),
                ("data", mapping([("z", text("d.txt")), ("a", text("d.txt"))])),
                ("modules", mapping([("m", text("m.lua"))])),
                (
                    "budget",
                    mapping(
                        [],
                        [
                            ("instructions", plain(number(1000...100_000))),
                            ("memory", word(pick(["4MiB", "4096KiB"]))),
                            ("time", word("50ms")), ("breaches", plain(number(0...9))),
                        ])
                ),
            ])
    }

    // MARK: Clusters

    private mutating func cluster(named name: String) -> Document {
        let policy = pick(["round_robin", "least_request", "random", "peak_ewma", "ring_hash", "maglev"])
        let isByHash = policy == "ring_hash" || policy == "maglev"
        let version = pick(["http1", "http2", "auto"])
        var required = [("name", word(name)), ("load_balancing", word(policy)), ("protocol", word(version)), source()]
        var optional = [
            ("connect_timeout", time()), ("idle_timeout", chance(20) ? plain(0) : time()),
            ("panic_threshold", share()), ("health_check", healthCheck(isHTTP1: version == "http1")),
            ("outlier_detection", outlier()), ("proxy_protocol", word(pick(["v1", "v2"]))),
            ("limits", mapping([], [("response_headers", word("8KiB")), ("header_count", plain(50))])),
            (
                "circuit_breaker",
                mapping(
                    [],
                    [
                        ("max_connections", plain(9)), ("max_pending_requests", plain(0)),
                        ("max_requests", plain(1024)),
                        ("max_retries", plain(3)), ("error_rate", mapping([], [("threshold", word("40%"))])),
                    ])
            ),
        ]
        if policy == "ring_hash" {
            optional.append(("ring_hash", mapping([], [("min_ring_size", plain(64)), ("max_ring_size", plain(4096))])))
        }
        if policy == "maglev" { optional.append(("maglev", mapping([], [("table_size", plain(251))]))) }
        if policy == "peak_ewma" { optional.append(("peak_ewma", mapping([], [("decay", time())]))) }
        if !isByHash {
            optional.append(("zone_preference", mapping([], [("overprovisioning", word("150%"))])))
            let start = mapping(
                [("window", time1())],
                [("aggression", plain(pick(["1.5", "2", "0.50"]))), ("min_weight", word("12.5%"))])
            optional.append(("slow_start", chance(50) ? time1() : start))
        }
        if version != "http1" {
            let http2 = mapping(
                [],
                [
                    ("max_concurrent_streams", plain(7)), ("initial_stream_window", word("128KiB")),
                    ("initial_connection_window", word("1MiB")), ("header_table_size", plain(0)),
                    ("ping_interval", word("10m")),
                ])
            optional.append(("http2", http2))
        }
        let tls = ("tls", clusterTLS())
        if version == "auto" { required.append(tls) } else { optional.append(tls) }
        return mapping(required, optional)
    }

    private mutating func time1() -> Document { word(pick(["1s", "30s", "2m"])) }

    private mutating func source() -> (String, Document) {
        if chance(20) {
            return (
                "discovery", mapping([("dns", text("api.internal:8080"))], [("refresh", word(pick(["5s", "100ms"])))])
            )
        }
        let addresses = ["10.0.0.1:80", "[2001:db8::2]:8080", "unix:/run/a.sock", "10.0.0.4:80", "10.0.0.5:1"]
        let endpoints = some(addresses, least: 1).map { address in
            chance(40)
                ? word(address)
                : mapping(
                    [("address", word(address))],
                    [("weight", plain(number(1...9))), ("zone", word(pick(["a", "b", "c"])))])
        }
        return ("endpoints", .list(endpoints))
    }

    private mutating func healthCheck(isHTTP1: Bool) -> Document {
        let http = mapping(
            [("path", word("/healthz"))],
            [
                ("method", word(pick(["GET", "HEAD"]))), ("host", word("api.internal")),
                ("expect", chance(50) ? plain(204) : .list([plain(200), word("204-206")])),
            ])
        let tcp = mapping([], [("send", text("PING\n")), ("receive", text("PÖNG"))])
        let grpc = mapping([], [("service", word("x")), ("authority", word("api.internal"))])
        var kinds = [("http", http), ("tcp", tcp)]
        if !isHTTP1 { kinds.append(("grpc", grpc)) }
        return mapping(
            [pick(kinds)],
            [
                ("interval", time()), ("timeout", word(pick(["1s", "500ms"]))),
                ("unhealthy_threshold", plain(number(1...4))),
                ("healthy_threshold", plain(number(1...4))), ("jitter", share()), ("unhealthy_interval", time()),
                ("no_traffic_interval", time()), ("port", plain(81)), ("close_connections", truth()),
            ])
    }

    private mutating func outlier() -> Document {
        let split = truth()
        var optional: [(String, Document)] = [
            ("consecutive_5xx", plain(number(0...9))), ("consecutive_gateway_failure", plain(number(0...9))),
            ("interval", time1()), ("base_ejection_time", word("10s")), ("max_ejection_time", word("20m")),
            ("max_ejection_time_jitter", time1()), ("max_ejection_percent", share()),
            ("always_eject_one_host", truth()),
            ("half_open_requests", plain(number(1...5))), ("successful_active_health_check_uneject_host", truth()),
            ("success_rate_minimum_hosts", plain(5)), ("success_rate_stdev_factor", plain(1900)),
            ("failure_percentage_threshold", share()), ("enforcing_success_rate", share()),
            ("enforcing_failure_percentage_local_origin", share()),
        ]
        if split == plain("true") { optional.append(("consecutive_local_origin_failure", plain(4))) }
        return mapping([("split_external_local_origin_errors", split)], optional)
    }

    private mutating func clusterTLS() -> Document {
        let ca = chance(60)
        var required: [(String, Document)] = []
        if ca { required.append(("ca", word(pick(["ca.pem", "system"])))) }
        if chance(40) { required += [("certificate", word("a.pem")), ("private_key", word("a.key"))] }
        var optional = parameters() + [("sni", word("api.internal")), ("session_resumption", truth())]
        if ca {
            let names = some(
                ["api.internal", "*.mesh.example", "10.0.0.1", "spiffe://mesh/ns/*", "spiffe://mesh/sa/x"], least: 1)
            optional += [("verify_san", .list(names.map { text($0) })), ("verify", truth())]
        } else {
            optional.append(("verify", plain("false")))
        }
        return mapping(required, optional)
    }

    private mutating func parameters() -> [(String, Document)] {
        [
            ("min_version", text("1.2")), ("max_version", word(pick(["1.2", "1.3"]))),
            ("cipher_suites", .list([word("ECDHE-ECDSA-AES128-GCM-SHA256")])),
            ("curves", .list([word("X25519"), word("P-256")])),
        ]
    }
}
