enum FaultCases {
    private static let type = "fault.v3.HTTPFault"
    private static let unlimited = ", max_active: 10000000 }"

    static let read: [(String, String, String)] = [
        (
            "delay: { fixed_delay: 0.05s, percentage: { numerator: 1 } }, max_active_faults: 7",
            "fault: { delay: { duration: 50ms, percent: 1% }, max_active: 7 }"
        ),
        (
            "abort: { http_status: 503, percentage: { numerator: 1000, denominator: MILLION } }, headers: [{ name: x-a, string_match: { exact: b } }]",
            "fault: { abort: { status: 503, percent: 0.1% }, headers: [{ name: x-a, exact: b }]" + unlimited
        ),
        // Where an absent header is an empty one, it is the same as one that is not empty, or has to be there as well.
        (
            "headers: [{ name: a, string_match: { exact: b }, invert_match: true, treat_missing_header_as_empty: true }, { name: c, string_match: { exact: \"\" }, invert_match: true, treat_missing_header_as_empty: true }, { name: d, string_match: { exact: e }, invert_match: true }]",
            "fault: { abort: { status: 503, percent: 0% }, headers: [{ name: a, exact: b, invert: true }, { name: c }, { name: c, exact: , invert: true }, { name: d }, { name: d, exact: e, invert: true }]"
                + unlimited
        ),
        // Without a share it is nobody.
        ("abort: { http_status: 503 }", "fault: { abort: { status: 503, percent: 0% }" + unlimited),
        ("", "fault: { abort: { status: 503, percent: 0% }" + unlimited),
        (
            "response_rate_limit: { fixed_limit: { limit_kbps: 64 }, percentage: { numerator: 100 } }",
            "fault: { response_rate: { rate: 64KiB, percent: 100% }" + unlimited
        ),
        (
            "delay: { header_delay: {}, percentage: { numerator: 100 } }, abort: { header_abort: {}, percentage: { numerator: 5 } }",
            "fault: { delay: { percent: 100% }, abort: { percent: 5% }, from_headers: true, max_header_delay: 1h"
                + unlimited
        ),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        ("abort: { grpc_status: 14, percentage: { numerator: 1 } }", "FaultAbort.grpc_status is not supported"),
        ("upstream_cluster: a", "HTTPFault.upstream_cluster is not supported"),
        ("downstream_nodes: [a]", "HTTPFault.downstream_nodes is not supported"),
        ("response_rate_limit: { header_limit: {} }", "FaultRateLimit.header_limit is not supported"),
        (
            "delay: { header_delay: {} }, abort: { http_status: 500 }",
            "asked for by a header beside one that is not is not supported"
        ),
        ("headers: [{ name: \":path\", string_match: { exact: / } }]", "headers: :path is not supported"),
        ("max_active_faults: 0", "max_active_faults: 0 is not supported"),
        ("max_active_faults: 10000001", "max_active_faults: 10000001 is not supported"),
        (
            "headers: [{ name: x, string_match: { safe_regex: { regex: a } }, invert_match: true, treat_missing_header_as_empty: true }]",
            "treat_missing_header_as_empty of an inverted expression is not supported"
        ),
    ].map { (type, $0, $1) }

    static let written: [(String, Bool)] = [
        (
            "fault: { delay: { duration: 50ms, percent: 1% }, abort: { status: 503, percent: 0.1% }, max_active: 100 }",
            true
        ),
        ("fault: { abort: { percent: \"50%\", status: 500 }, headers: [{ name: x-trial, exact: \"1\" }] }", true),
        ("fault: { response_rate: { rate: 1MiB, percent: 100% } }", true),
        // An absent header passes these, and in Envoy it does not or nobody knows.
        (
            "fault: { abort: { percent: 1%, status: 500 }, headers: [{ name: x, exact: \"\", invert: true }] }",
            false
        ),
        ("fault: { abort: { percent: 1%, status: 500 }, headers: [{ name: x, regex: a, invert: true }] }", false),
        ("fault: { abort: { percent: 1%, status: 500 }, headers: [{ name: x, exact: a, invert: true }] }", true),
        ("fault: { delay: { percent: 100% }, from_headers: true, max_header_delay: 1h }", false),
        ("fault: { delay: { percent: 100% }, from_headers: true }", false),
        ("fault: { delay: { duration: 1s, percent: 100% }, from_headers: true, max_header_delay: 1h }", false),
        ("fault: { response_rate: { rate: 1500B, percent: 100% } }", false),
        ("fault: { abort: { status: 503, percent: 0.00001% } }", false),
    ]
}

enum RBACCases {
    private static let type = "rbac.v3.RBAC"

    private static func policy(_ permission: String, _ principal: String = "any: true", action: String = "ALLOW")
        -> String
    {
        "rules: { action: \(action), policies: { a: { permissions: [{ \(permission) }], principals: [{ \(principal) }] } } }"
    }
    private static func header(_ test: String, _ action: String, _ isEnvoys: Bool) -> (String, Bool) {
        (
            "rbac: { rules: [{ name: a, action: \(action), when: { headers: [{ name: x, \(test) }] } }]"
                + (action == "allow" ? " }" : ", default: allow }"), isEnvoys
        )
    }
    private static func rule(_ when: String) -> String {
        "rbac: { rules: [{ name: a, action: allow, when: \(when) }] }"
    }

    static let read: [(String, String, String)] = [
        (policy("any: true"), rule("{}")),
        (policy("url_path: { path: { prefix: /a } }"), rule("{ path: { prefix: /a } }")),
        (
            policy("url_path: { path: { suffix: .html, ignore_case: true } }"),
            rule("{ path: { regex: .*\\.html }, case_sensitive: false }")
        ),
        (
            policy("header: { name: \":method\", string_match: { safe_regex: { regex: \"GET|HEAD\" } } }"),
            rule("{ methods: [GET, HEAD] }")
        ),
        (
            policy(
                "and_rules: { rules: [{ url_path: { path: { exact: /a } } }, { header: { name: x-a, present_match: true } }] }"
            ),
            rule("{ path: { exact: /a }, headers: [{ name: x-a, present: true }] }")
        ),
        (
            policy(
                "or_rules: { rules: [{ url_path: { path: { exact: /a } } }, { url_path: { path: { exact: /b } } }] }"),
            rule("{ or: [{ path: { exact: /a } }, { path: { exact: /b } }] }")
        ),
        (policy("not_rule: { url_path: { path: { exact: /a } } }"), rule("{ not: { path: { exact: /a } } }")),
        (
            policy(
                "any: true",
                "or_ids: { ids: [{ remote_ip: { address_prefix: 10.0.0.0, prefix_len: 8 } }, { remote_ip: { address_prefix: 192.0.2.7, prefix_len: 32 } }] }"
            ),
            rule("{ source: { client: [10.0.0.0/8, 192.0.2.7] } }")
        ),
        // Without a length it is everybody there, and has to be written as such.
        (
            policy("any: true", "direct_remote_ip: { address_prefix: 0.0.0.0 }"),
            rule("{ source: { direct: 0.0.0.0/0 } }")
        ),
        (
            policy("any: true", "authenticated: { principal_name: { exact: \"spiffe://m/a\" } }"),
            rule("{ principal: { tls: { name: spiffe://m/a } } }")
        ),
        (
            policy(
                "any: true",
                "or_ids: { ids: [{ authenticated: { principal_name: { prefix: \"spiffe://m/\" } } }, { authenticated: { principal_name: { safe_regex: { regex: .+ } } } }] }"
            ),
            rule("{ or: [{ principal: { tls: { name: { prefix: spiffe://m/ } } } }, { principal: { tls: {} } }] }")
        ),
        (
            policy("url_path: { path: { exact: /a } }", "url_path: { path: { exact: /b } }"),
            rule("{ and: [{ path: { exact: /a } }, { path: { exact: /b } }] }")
        ),
        (
            "rules: { action: DENY, policies: { b: { permissions: [{ any: true }], principals: [{ any: true }, { header: { name: x } }] }, a: { permissions: [{ any: true }], principals: [{ any: true }] } } }",
            "rbac: { rules: [{ name: a, action: deny, when: {} }, { name: b, action: deny, when: { or: [{}, { headers: [{ name: x }] }] } }], default: allow }"
        ),
        // Who allows nothing refuses everything; who has no rules refuses nothing.
        ("rules: {}", "rbac: { rules: [{ name: nobody, action: deny, when: {} }], default: allow }"),
        ("rules: { action: DENY }", "rbac: { rules: [], default: allow }"),
        ("", "rbac: { rules: [], default: allow }"),
        (
            "shadow_rules: { policies: { a: { permissions: [{ any: true }], principals: [{ any: true }] } } }",
            "rbac: { rules: [{ name: a, action: allow, shadow: true, when: {} }], default: allow, shadow_default: deny }"
        ),
    ].map { (type, $0, $1) }

    static let refused: [(String, String, String)] = [
        (policy("destination_port: 80"), "Permission.destination_port is not supported"),
        (policy("destination_ip: {}"), "Permission.destination_ip is not supported"),
        (policy("requested_server_name: { exact: a }"), "Permission.requested_server_name is not supported"),
        (policy("not_rule: { destination_port: 80 }"), "there is nothing in it that Martlet knows"),
        (policy("or_rules: {}"), "there is nothing in it"),
        (policy("any: false"), "any: false is not supported"),
        (
            policy("header: { name: \":authority\", string_match: { exact: a } }"),
            ":authority in this form is not supported"
        ),
        (policy("header: { name: x, string_match: { exact: a, ignore_case: true } }"), "ignore_case is not supported"),
        (policy("any: true", "source_ip: { address_prefix: 10.0.0.0 }"), "Principal.source_ip is not supported"),
        (policy("any: true", "metadata: {}"), "Principal.metadata is not supported"),
        (policy("any: true", "authenticated: {}"), "authenticated: nobody's name is not supported"),
        (
            policy("any: true", "authenticated: { principal_name: { exact: a.example.com } }"),
            "authenticated: a name that may be no URI is not supported"
        ),
        (
            policy("any: true", "authenticated: { principal_name: { prefix: spiffe } }"),
            "authenticated: a name that may be no URI is not supported"
        ),
        (
            policy("any: true", "authenticated: { principal_name: { suffix: \"spiffe://m/a\" } }"),
            "authenticated: a name that may be no URI is not supported"
        ),
        (
            policy("any: true", "authenticated: { principal_name: { safe_regex: { regex: \"spiffe://m/.*\" } } }"),
            "authenticated: a name that may be no URI is not supported"
        ),
        (
            policy(
                "header: { name: x, safe_regex_match: { regex: a }, invert_match: true, treat_missing_header_as_empty: true }"
            ),
            "treat_missing_header_as_empty of an inverted expression is not supported"
        ),
        (
            "rules: { policies: { a: { permissions: [{ any: true }], principals: [{ any: true }], condition: {} } } }",
            "Policy.condition is not supported"
        ),
        ("rules: { policies: { a: { permissions: [{ any: true }] } } }", "permissions and principals are required"),
        ("matcher: {}", "RBAC.matcher is not supported"),
    ].map { (type, $0, $1) }

    static let written: [(String, Bool)] = conditions + headers.map(header)
    private static let conditions: [(String, Bool)] = [
        (
            "rbac: { rules: [{ name: a, action: allow, when: { path: { prefix: /admin/ }, source: { client: [10.0.0.0/8] }, not: { methods: [DELETE] } } }] }",
            true
        ),
        (
            "rbac: { default: allow, rules: [{ when: { headers: [{ name: user-agent, contains: old }] }, name: a, action: deny }] }",
            true
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: {} }, or: [{ path: { exact: /a } }, { source: { direct: 127.0.0.1 } }] } }] }",
            true
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { path: { exact: /a }, case_sensitive: false } }, { name: b, action: allow, when: {} }] }",
            true
        ),
        // Envoy asks them in the order of their names, which makes no difference where all do the same.
        (
            "rbac: { rules: [{ name: b, action: allow, when: {} }, { name: a, action: allow, when: { methods: PUT } }, { name: Z, action: allow, when: { methods: GET } }] }",
            true
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: {} }, { name: b, action: deny, when: { methods: PUT } }] }",
            false
        ),
        ("rbac: { rules: [{ name: a, action: allow, when: { hosts: a.example.com } }] }", false),
        ("rbac: { rules: [{ name: a, action: allow, when: { query: [{ name: a }] } }] }", false),
        ("rbac: { rules: [{ name: a, action: allow, when: { principal: { jwt: {} } } }] }", false),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: { spiffe: \"spiffe://m/*\" } } } }] }",
            false
        ),
        ("rbac: { rules: [{ name: a, action: allow, when: { path: { path_separated_prefix: /a } } }] }", false),
        ("rbac: { rules: [{ name: a, action: allow, when: { path: { regex: /a }, case_sensitive: false } }] }", false),
        // What in a certificate has the name differs, unless only a URI can.
        ("rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: { name: a.example.com } } } }] }", false),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: { name: { suffix: /a } } } } }] }",
            false
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: { name: { prefix: spiffe } } } } }] }",
            false
        ),
        (
            "rbac: { rules: [{ name: a, action: allow, when: { principal: { tls: { name: { prefix: \"spiffe://m/\" } } } } }] }",
            true
        ),
        ("rbac: { rules: [{ name: a, action: allow, when: { not: { headers: [{ name: x, exact: a }] } } }] }", false),
        (
            "rbac: { default: allow, rules: [{ name: a, action: deny, when: { not: { headers: [{ name: x, exact: a }] } } }] }",
            true
        ),
        ("rbac: { rules: [{ name: a, action: allow, when: { path: { regex: /a } } }] }", false),
    ]

    private static let headers: [(String, String, Bool)] = [
        // Envoy's expressions take no byte that is no UTF-8.
        ("regex: a", "deny", false), ("regex: a", "allow", false),
        // And where it joins fields a second one hides the first.
        ("exact: a", "allow", true), ("exact: a", "deny", false), ("exact: a", "log", false),
        ("prefix: a", "allow", true), ("suffix: a", "deny", false), ("prefix: \"a,\"", "allow", false),
        ("contains: a", "deny", true), ("contains: a", "allow", true), ("contains: \",\"", "deny", false),
        ("present: true", "deny", true), ("present: false", "deny", true),
        ("exact: a, invert: true", "allow", false), ("exact: a, invert: true", "deny", true),
        ("contains: \"\", invert: true", "allow", false), ("exact: \"\", invert: true", "deny", false),
    ]
}
