enum RateLimitCases {
    private static let type = "local_ratelimit.v3.LocalRateLimit"
    private static let all =
        "filter_enabled: { default_value: { numerator: 100 } }, filter_enforced: { default_value: { numerator: 100 } }"
    private static let bucket =
        "stat_prefix: edge, token_bucket: { max_tokens: 5, tokens_per_fill: 2, fill_interval: 60s }"

    static let read: [(String, String, String)] = [
        ("\(bucket), \(all)", "rate_limit: { name: edge, requests: 2, per: 1m, burst: 5, key: none, headers: off }"),
        (
            "\(bucket), \(all), status: { code: ServiceUnavailable }, rate_limited_as_resource_exhausted: true",
            "rate_limit: { name: edge, requests: 2, per: 1m, burst: 5, key: none, status: 503, headers: off, rate_limited_as_resource_exhausted: true }"
        ),
        // Nobody is refused unless a share says so.
        (bucket, "rate_limit: { name: edge, requests: 2, per: 1m, burst: 5, key: none, headers: off, mode: shadow }"),
        ("stat_prefix: \"a b\"", "rate_limit: { requests: 1, key: none, headers: off, mode: shadow }"),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        ("\(bucket), filter_enabled: { default_value: { numerator: 50 } }", "a share of the requests is not supported"),
        ("\(bucket), \(all), descriptors: [{}]", "descriptors is not supported"),
        (
            "\(bucket), \(all), local_rate_limit_per_downstream_connection: true",
            "per_downstream_connection: true is not supported"
        ),
        ("\(bucket), \(all), response_headers_to_add: []", "response_headers_to_add is not supported"),
    ].map { (type, $0, $1) }

    static let written: [(String, Bool)] = [
        ("rate_limit: { requests: 100, key: none, headers: off }", true),
        (
            "rate_limit: { name: hourly, requests: 100, per: 1h, burst: 5, key: [none], headers: off, mode: shadow, status: 503 }",
            true
        ),
        ("rate_limit: { requests: 100, key: none }", false),
        ("rate_limit: { requests: 100, headers: off }", false),
        ("rate_limit: { requests: 1, per: 10ms, key: none, headers: off }", false),
        ("rate_limit: { requests: 1, key: none, headers: off, scope: worker }", false),
    ]
}

enum HeaderCases {
    private static let type = "header_mutation.v3.HeaderMutation"
    private static func append(_ name: String, _ value: String, _ action: String = "APPEND_IF_EXISTS_OR_ADD") -> String
    {
        "{ append: { header: { key: \"\(name)\", value: \"\(value)\" }, append_action: \(action) } }"
    }
    private static func request(_ mutations: String...) -> String {
        "mutations: { request_mutations: [\(mutations.joined(separator: ", "))] }"
    }

    static let read: [(String, String, String)] = [
        (
            request(
                "{ remove: x-i }", append("x-s", "1", "OVERWRITE_IF_EXISTS_OR_ADD"), append("x-a", "1"),
                append("x-a", "2"),
                append("x-o", "100%%", "ADD_IF_ABSENT")),
            "headers: { request: { remove: [x-i], set: { x-s: 1 }, add: { x-a: [1, 2] }, add_if_absent: { x-o: 100%% } } }"
        ),
        (request(append("x-a", "1"), "{ remove: x-b }"), "headers: { request: { add: { x-a: 1 }, remove: [x-b] } }"),
        ("mutations: { response_mutations: [{ remove: server }] }", "headers: { response: { remove: [server] } }"),
        ("", "headers: { response: { remove: [x-martlet-nothing] } }"),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        (request(append("x-a", "1"), "{ remove: X-A }"), "another order than"),
        (request(append("x-a", "%REQ(b)%")), "an operator is not supported"),
        (request(append("x-a", "1", "OVERWRITE_IF_EXISTS")), "is not supported"),
        (request(append(":path", "/")), ":path is not supported"),
        (request(append("host", "a")), "host is not supported"),
        (request(append("x-a", "")), "an empty value without keep_empty_value"),
        (request("{ remove_on_match: {} }"), "remove_on_match is not supported"),
        ("mutations: { query_parameter_mutations: [] }", "query_parameter_mutations is not supported"),
    ].map { (type, $0, $1) }

    static let written: [(String, Bool)] = [
        (
            "headers: { request: { set: { x-b: \"1\", x-a: \"2\" }, remove: [x-i] }, response: { add: { x-f: [DENY, b] } } }",
            true
        ),
        ("headers: { request: { set: { x-a: \"\" }, add_if_absent: { x-p: \"100%%\" } } }", true),
        ("headers: { request: { set: { x-c: \"%REQ(x)%\" } } }", false),
        ("headers: { request: { set: { host: a } } }", false),
        ("headers: { request: { query: { remove: [debug] } } }", false),
        ("headers: { response: { remove: [a] }, clear_route_cache: true }", false),
        ("headers: { response: { set: { x-a: [a, b] } } }", false),
    ]
}

enum BodyCases {
    static let read: [(String, String, String)] = [
        ("buffer.v3.Buffer", "max_request_bytes: 1048576", "buffer: { max_request_bytes: 1MiB }"),
        ("grpc_web.v3.GrpcWeb", "", "grpc_web: {}"),
        ("cors.v3.Cors", "", "cors: { allow_origins: regex:[^\\s\\S] }"),
    ]

    static let written: [(String, Bool)] = [
        ("buffer: { max_request_bytes: 1024KiB }", true),
        ("grpc_web: {}", true),
        ("cors: { allow_origins: \"*\" }", false),
        ("body_limit: { request: 1MiB }", false),
    ]
}
