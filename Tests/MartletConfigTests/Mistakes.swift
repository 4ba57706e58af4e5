/// Every kind of mistake with all that is said about it: place, path, message and hint.
extension Mistake {
    static let all: [Mistake] = syntax + document + listener + route + cluster + policy + transport

    private static let syntax: [Mistake] = [
        Mistake(
            "listeners: [a, b",
            "2:1: error: the bracket of line 1 is not closed, or a comma is missing"),
        Mistake(
            #"""
            a: 1
             b: 2
            """#,
            #"2:3: error: a ":" that YAML does not expect here (check the indentation, and quote "#
                + #"values that hold ": ")"#),
        Mistake(
            #"""
            listeners:
            	- name: x
            """#,
            "2:1: error: a tab where spaces are needed (indent with spaces)"),
        Mistake(
            "hosts: *.example.com",
            #"1:9: error: a value begins with * (quote it, as in "*.example.com")"#),
        Mistake(
            "percent: %20",
            "1:10: error: a value cannot begin with % (quote the value)"),
        Mistake(
            #"name: "open"#,
            "1:7: error: the quote is not closed"),
        Mistake(
            "a: b: c",
            #"1:5: error: a ":" that YAML does not expect here (check the indentation, and quote "#
                + #"values that hold ": ")"#),
        Mistake(
            #"""
            a: 1
            ---
            b: 2
            """#,
            "2:1: error: a second document begins here (one file holds one configuration: remove the `---`)"),
        Mistake(
            #"""
            a: 1
            not a key
            b: 2
            """#,
            #"2:1: error: a key without ":" (write `key: value`, with a space after the colon)"#),
        Mistake(
            "a: \u{7}",
            "1:4: error: the character U+7 cannot stand in YAML (in a double-quoted string write an escape)"),
        Mistake(
            "",
            #"1:1: error: the file is empty (a proxy needs "listeners" and "clusters")"#),
        Mistake(
            #"""
            # nothing

            """#,
            #"1:1: error: the file is empty (a proxy needs "listeners" and "clusters")"#),
        Mistake(
            "just words",
            #"1:1: error: expected a mapping, found "just words" (write keys as `name: value`)"#),
        Mistake(
            "[a, b]",
            "1:1: error: expected a mapping, found a list (write keys as `name: value`)"),
        Mistake(
            #"""
            workers: 1
            workers: 2
            listeners: []
            "listeners": []
            """#,
            #"2:1: error: workers: duplicate key "workers" (first written on line 1)"#,
            "3:12: error: listeners: a proxy needs at least one listener",
            #"4:1: error: listeners: duplicate key "listeners" (first written on line 3)"#),
        Mistake(
            #"""
            ? [a]
            : b
            """#,
            #"1:1: error: "listeners" is required (a proxy needs at least one listener)"#,
            "1:3: error: a key must be a word (write `name: value`)"),
    ]

    private static let document: [Mistake] = [
        Mistake(
            Around.document("worker: 2"),
            #"1:1: error: worker: unknown key "worker" (did you mean "workers"?)"#),
        Mistake(
            Around.document("workers: 0"),
            "1:10: error: workers: 0 is out of bounds (expected 1 to 1024)"),
        Mistake(
            Around.document(#"workers: "2""#),
            #"1:10: error: workers: expected a whole number, found the string "2" (remove the quotes)"#),
        Mistake(
            Around.document("workers: two"),
            #"1:10: error: workers: "two" is not a whole number"#),
        Mistake(
            Around.document("workers: 99999999999999999999"),
            "1:10: error: workers: 99999999999999999999 is out of bounds (expected 1 to 1024)"),
        Mistake(
            Around.document("workers:"),
            "1:9: error: workers: has no value (expected a whole number)"),
        Mistake(
            Around.document("admin: { adress: 127.0.0.1:9901 }"),
            #"1:10: error: admin.adress: unknown key "adress" (did you mean "address"?)"#),
        Mistake(
            Around.document("admin: 127.0.0.1:9901"),
            #"1:8: error: admin: expected a mapping, found "127.0.0.1:9901" (write keys as `name: value`)"#),
        Mistake(
            Around.document("drain: { deadline: 30 }"),
            #"1:20: error: drain.deadline: "30" has no unit (write 30s or 30ms)"#),
        Mistake(
            Around.document("drain: { deadline: 30sec }"),
            #"1:20: error: drain.deadline: "sec" is not a unit of time (units: us, ms, s, m, h, d)"#),
        Mistake(
            Around.document("drain: { deadline: 2d }"),
            "1:20: error: drain.deadline: 2d is out of bounds (expected 0 to 1d)"),
        Mistake(
            Around.document("access_log: /dev/stdout"),
            #"1:13: error: access_log: expected a mapping or "off", found "/dev/stdout" (write { "#
                + #"path: /dev/stdout })"#),
        Mistake(
            Around.document("access_log: { path: /dev/stdout, format: jsn }"),
            #"1:42: error: access_log.format: "jsn" is not a format (did you mean "json"? valid: "#
                + #"json, text, or a text with operators such as %RESPONSE_CODE%)"#),
        Mistake(
            Around.document("access_log: { path: /dev/stdout, format: '%RESPONSE_COD% %REQ% %START_TIME(x)%' }"),
            "1:42: error: access_log.format: %REQ% names no header (write %REQ(HEADER)%)",
            "1:42: error: access_log.format: %START_TIME(x)%: the pattern has nothing of a time (known: %Y %y %m %b %d "
                + "%e %j %a %H %M %S %s %f %1f to %9f %F %T %z %Z %%)",
            #"1:42: error: access_log.format: unknown operator %RESPONSE_COD% (did you mean "#
                + #""RESPONSE_CODE"?)"#),
        Mistake(
            Around.document("access_log: { path: /dev/stdout, format: '%RESPONSE_CODE' }"),
            "1:42: error: access_log.format: the operator %RESPONSE_CODE is not closed (write %% for "
                + "a percent sign)"),
        Mistake(
            Around.document("modules: [{ name: geo }]"),
            "1:11: error: modules[0]: \"path\" is required (expected the path of a shared library)"),
        Mistake(
            Around.document("<<: { workers: 2 }"),
            "1:1: error: <<: merge keys are not supported (write the keys out)"),
        Mistake(
            "workers: 2",
            #"1:1: error: "listeners" is required (a proxy needs at least one listener)"#),
        Mistake(
            #"""
            listeners: []
            clusters: {}
            """#,
            "1:12: error: listeners: a proxy needs at least one listener",
            "2:11: error: clusters: expected a list, found a mapping (write [a, b], or one `- item` a line)"),
        Mistake(
            #"""
            overload:
              memory: { limit: 8MiB, hysteresis: 60%, refuse_requests: 99% }
              connections: { max: 0 }
              cpu: {}
            listeners: [{ name: a, address: 127.0.0.1:1, filters: [router], routes: [] }]
            """#,
            "2:20: error: overload.memory.limit: 8MiB is out of bounds (expected 16MiB to 16384GiB)",
            "2:38: error: overload.memory.hysteresis: 60% is out of bounds (expected 0% to 50%)",
            "2:60: error: overload.memory.refuse_requests: requests under way would be reset before new ones are refused (refuse first: refuse_requests below reset_streams)",
            "3:23: error: overload.connections.max: 0 is out of bounds (expected 1 to 10000000)",
            #"4:3: error: overload.cpu: unknown key "cpu" (valid keys: connections, memory)"#),
        Mistake(
            #"""
            overload: { memory: { limit: half } }
            listeners: [{ name: a, address: 127.0.0.1:1, filters: [router], routes: [] }]
            """#,
            #"1:30: error: overload.memory.limit: "half" is no limit of memory (write 80%, or 512MiB)"#),
    ]

    private static let listener: [Mistake] = [
        Mistake(
            Around.listener("filters:\nroutes:"),
            "4:11: error: listeners[0].filters: has no value (expected a list)",
            "5:10: error: listeners[0].routes: has no value (expected a list)"),
        Mistake(
            #"""
            listeners:
            - { name: a, address: 127.0.0.1:80 }
            """#,
            #"2:3: error: listeners[0]: a listener needs "filters" and "routes" (filters: [router])"#),
        Mistake(
            Around.listener(
                #"""
                filters: [router]
                routs: []
                """#),
            #"5:3: error: listeners[0].routs: unknown key "routs" (did you mean "routes"?)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [rooter]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:13: error: listeners[0].filters[0]: unknown filter "rooter" (did you mean "router"?)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [router, headers]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:13: error: listeners[0].filters[0]: "router" must be the last filter (what stands "#
                + #"after it never runs)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [headers]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:12: error: listeners[0].filters: the chain does not end with "router" (add `- router` "#
                + #"as the last filter)"#),
        Mistake(
            Around.listener(
                #"""
                filters:
                - headers: {}
                  cors: {}
                - router
                routes: [{ match: {}, cluster: api }]
                """#),
            #"6:5: error: listeners[0].filters[0]: one filter with two names, "headers" and "cors" "#
                + #"(begin each filter with `-`, and indent its settings below its name)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [cors, cors, headers, headers, router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:19: error: listeners[0].filters[1]: filter "cors" twice in one chain (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [router, router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:21: error: listeners[0].filters[1]: filter "router" twice in one chain (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                filters:
                - lua: { policy: stemp }
                - router
                routes: [{ match: {}, cluster: api }]
                """#),
            #"5:20: error: listeners[0].filters[0].lua.policy: no policy "stemp" (did you mean "stamp"?)"#),
        Mistake(
            Around.listener(
                #"""
                filters:
                - lua: { policy: stamp }
                - lua: { policy: stamp }
                - router
                routes: [{ match: {}, cluster: api }]
                """#),
            #"6:5: error: listeners[0].filters[1].lua: policy "stamp" twice in one chain (keep one)"#),
        Mistake(
            Around.listener(
                #"""
                filters: [[a], 3, router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:13: error: listeners[0].filters[0]: expected a filter, found a list (write `- name` "
                + "or `- name: { ... }`)",
            #"4:18: error: listeners[0].filters[1]: unknown filter "3" (filters: cors, headers, jwt, "#
                + #"lua, rate_limit, retry, router)"#),
        Mistake(
            Around.listener(
                #"""
                filters: router
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:12: error: listeners[0].filters: expected a list, found "router" (write [a, b], or "#
                + #"one `- item` a line)"#),
        Mistake(
            Around.listener("filters: [router]"),
            #"2:3: error: listeners[0]: "routes" is required (without routes every request is "#
                + #"answered 404)"#),
        Mistake(
            Around.listener(
                #"""
                limits: { request_headers: 64KB, header_count: 0, idle_timeout: -1s, max_connections: 1.5 }
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:30: error: listeners[0].limits.request_headers: "KB" is not a unit of size (write: 64KiB)"#,
            "4:50: error: listeners[0].limits.header_count: 0 is out of bounds (expected 1 to 10000)",
            #"4:67: error: listeners[0].limits.idle_timeout: "-1s" is not a duration such as 250ms, "#
                + #"2s, 1m or 1h"#,
            #"4:89: error: listeners[0].limits.max_connections: "1.5" is not a whole number"#),
        Mistake(
            Around.listener(
                #"""
                upgrades: [websocket, h2c]
                normalize_path: yes
                via: "a b"
                escaped_slashes: drop
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            #"4:25: error: listeners[0].upgrades[1]: "h2c" cannot be allowed (it would carry requests "#
                + #"past the chain)"#,
            #"5:19: error: listeners[0].normalize_path: "yes" is not true or false (write: true)"#,
            #"6:8: error: listeners[0].via: "a b" cannot stand in a via header"#,
            #"7:20: error: listeners[0].escaped_slashes: "drop" is not known here (valid: keep, "#
                + #"reject, unescape)"#),
        Mistake(
            Around.listener(
                #"""
                server_name: edge
                filters: [router]
                routes: [{ match: {}, cluster: api }]
                """#),
            "4:16: error: listeners[0].server_name: is not used (add server_header: overwrite)"),
        Mistake(
            #"""
            listeners:
            - { name: a, address: localhost:80, filters: [router], routes: [] }
            - { name: b, address: 127.0.0.1, filters: [router], routes: [] }
            - { name: c, address: '127.0.0.1:70000', filters: [router], routes: [] }
            - { name: d, address: '::1:80', filters: [router], routes: [] }
            - { name: e, address: ':80', filters: [router], routes: [] }
            - { name: f, address: 'unix:app.sock', filters: [router], routes: [] }
            - { name: g, address: 127.0.0.01:80, filters: [router], routes: [] }
            - { name: h, address: '[::12345]:80', filters: [router], routes: [] }
            """#,
            #"2:23: error: listeners[0].address: "localhost" is not an IP address (write 127.0.0.1:80)"#,
            #"3:23: error: listeners[1].address: "127.0.0.1" has no port (expected an address such as "#
                + #"10.0.0.1:8080, [::1]:8080 or unix:/run/app.sock)"#,
            "4:23: error: listeners[2].address: port 70000 is out of bounds (expected 0 to 65535)",
            #"5:23: error: listeners[3].address: "::1:80" is not an address (an IPv6 address needs "#
                + #"brackets: [::1]:80)"#,
            #"6:23: error: listeners[4].address: ":80" has no address (for every address write 0.0.0.0:80)"#,
            #"7:23: error: listeners[5].address: "unix:app.sock" is not a socket's path (write "#
                + #"unix:/absolute/path)"#,
            #"8:23: error: listeners[6].address: "127.0.0.01" is not an IP address"#,
            #"9:23: error: listeners[7].address: "[::12345]" is not an IPv6 address"#),
        Mistake(
            #"""
            admin: { address: 127.0.0.1:80 }
            listeners:
            - { name: a, address: 127.0.0.1:80, filters: [router], routes: [] }
            - { name: a, address: 0.0.0.0:80, filters: [router], routes: [] }
            - { name: b, address: '[::]:80', filters: [router], routes: [] }
            - { name: c, address: '[::]:80', filters: [router], routes: [] }
            """#,
            "3:23: error: listeners[0].address: 127.0.0.1:80 is taken by the admin API (choose "
                + "another port)",
            #"4:11: error: listeners[1].name: duplicate listener "a" (first on line 3)"#,
            "4:23: error: listeners[1].address: 0.0.0.0:80 is taken by the admin API (choose another port)",
            #"6:23: error: listeners[3].address: [::]:80 is taken by listener "b" (choose another port)"#),
    ]

    private static let route: [Mistake] = [
        Mistake(
            Around.route("- match: { path: { prefix: / } }"),
            #"6:5: error: listeners[0].routes[0]: one of "cluster", "split", "redirect", "respond" is "#
                + #"required"#),
        Mistake(
            Around.route("- cluster: api"),
            #"6:5: error: listeners[0].routes[0]: "match" is required (for every request write match: "#
                + #"{ path: { prefix: / } })"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: apu
                """#),
            #"7:14: error: listeners[0].routes[0].cluster: no cluster "apu" (did you mean "api"?)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: backend
                """#),
            #"7:14: error: listeners[0].routes[0].cluster: no cluster "backend" (clusters: api, web)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  respond: { status: 200 }
                """#),
            #"8:14: error: listeners[0].routes[0].respond: "cluster" and "respond" exclude each other "#
                + #"(keep one)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: api } }
                  cluster: api
                """#),
            #"6:30: error: listeners[0].routes[0].match.path.prefix: "api" does not begin with a "#
                + #"slash (write: /api)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: /a, exact: /b } }
                  cluster: api
                """#),
            #"6:41: error: listeners[0].routes[0].match.path.exact: "prefix" and "exact" exclude each "#
                + #"other (keep one)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: /a }
                  cluster: api
                """#),
            #"6:20: error: listeners[0].routes[0].match.path: expected how to compare the path, found "#
                + #""/a" (write { prefix: /a } or { exact: /a })"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefx: /a } }
                  cluster: api
                """#),
            #"6:22: error: listeners[0].routes[0].match.path.prefx: unknown key "prefx" (did you mean "#
                + #""prefix"?)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { exact: '/a?b=c' }, case_sensitive: 1 }
                  cluster: api
                """#),
            #"6:29: error: listeners[0].routes[0].match.path.exact: a path has no query (match the "#
                + #"query with "query")"#,
            #"6:57: error: listeners[0].routes[0].match.case_sensitive: "1" is not true or false"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { path_separated_prefix: /api/ } }
                  cluster: api
                """#),
            "6:45: error: listeners[0].routes[0].match.path.path_separated_prefix: must not end with "
                + "a slash (write: /api)"),
        Mistake(
            Around.route(
                #"""
                - match: { hosts: ['https://a.example', 'a.example:80', 'a.*.example', 'b c'] }
                  cluster: api
                """#),
            #"6:22: error: listeners[0].routes[0].match.hosts[0]: "https://a.example" is a URL, not a "#
                + #"host (leave the scheme and the path away)"#,
            #"6:43: error: listeners[0].routes[0].match.hosts[1]: "a.example:80" has a port (hosts "#
                + #"stand here without a port)"#,
            #"6:59: error: listeners[0].routes[0].match.hosts[2]: "a.*.example" has a * that stands "#
                + #"for no label (write *.example.com, www.* or *)"#,
            #"6:74: error: listeners[0].routes[0].match.hosts[3]: "b c" is not a host (letters, "#
                + #"digits, "-" and ".")"#),
        Mistake(
            Around.route(
                #"""
                - match: { hosts: [], methods: [get, 'G T'] }
                  cluster: api
                """#),
            "6:21: error: listeners[0].routes[0].match.hosts: an empty list matches nothing (remove "
                + "it to match all)",
            #"6:35: error: listeners[0].routes[0].match.methods[0]: "get" is not a method: case "#
                + #"counts (write: GET)"#,
            #"6:40: error: listeners[0].routes[0].match.methods[1]: "G T" is not a method"#),
        Mistake(
            Around.route(
                #"""
                - match: { headers: [{ name: 'x y', exact: a }, { exact: a }, { name: x, exact: a, prefix: b }, { name: x, sufix: c }] }
                  cluster: api
                """#),
            #"6:32: error: listeners[0].routes[0].match.headers[0].name: "x y" is not a header's name "#
                + #"(letters, digits and -_.!#$%&'*+^`|~)"#,
            #"6:51: error: listeners[0].routes[0].match.headers[1]: "name" is required (expected a "#
                + #"header's name)"#,
            #"6:94: error: listeners[0].routes[0].match.headers[2].prefix: "exact" and "prefix" "#
                + #"exclude each other (keep one)"#,
            #"6:110: error: listeners[0].routes[0].match.headers[3].sufix: unknown key "sufix" (did "#
                + #"you mean "suffix"?)"#),
        Mistake(
            Around.route(
                #"""
                - match: { query: [{ name: a, prefix: b }, { name: b, present: maybe }] }
                  cluster: api
                """#),
            #"6:33: error: listeners[0].routes[0].match.query[0].prefix: unknown key "prefix" (valid "#
                + #"keys: exact, name, present, regex)"#,
            #"6:66: error: listeners[0].routes[0].match.query[1].present: "maybe" is not true or false"#),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  split: [{ cluster: api, weight: 0 }, { cluster: web, weight: 0 }]
                """#),
            "7:12: error: listeners[0].routes[0].split: the weights add up to 0 (give one of them a "
                + "weight above 0)"),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  split: [{ cluster: api, weight: -1 }, { cluster: web }, { cluster: wob, weight: 1 }]
                """#),
            "7:37: error: listeners[0].routes[0].split[0].weight: -1 is out of bounds (expected 0 to "
                + "1000000)",
            #"7:72: error: listeners[0].routes[0].split[2].cluster: no cluster "wob" (did you mean "web"?)"#),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  split: []
                """#),
            "7:12: error: listeners[0].routes[0].split: a split needs at least one cluster"),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  split: [{ cluster: api, weight: 1 }, { cluster: api, weight: 1 }]
                """#),
            #"7:53: error: listeners[0].routes[0].split[1].cluster: cluster "api" twice in one split "#
                + #"(add the weights up)"#),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  cluster: api
                  timeout: 15
                  idle_timeout: 1.5
                """#),
            #"8:14: error: listeners[0].routes[0].timeout: "15" has no unit (write 15s or 15ms)"#,
            #"9:19: error: listeners[0].routes[0].idle_timeout: "1.5" has no unit (write 1.5s or 1.5ms)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { regex: '^/a' } }
                  cluster: api
                  rewrite: { prefix: / }
                """#),
            "8:24: error: listeners[0].routes[0].rewrite.prefix: replaces the prefix of a match that "
                + "has none (match by prefix or exact path, or rewrite with regex and to)"),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  rewrite: { regex: '^/a' }
                """#),
            #"8:23: error: listeners[0].routes[0].rewrite.regex: "regex" and "to" belong together "#
                + #"(add "to")"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  rewrite: {}
                  mirror: { cluster: wep, percent: 5 }
                """#),
            #"8:14: error: listeners[0].routes[0].rewrite: a rewrite needs "prefix", "regex" or "host""#,
            #"9:24: error: listeners[0].routes[0].mirror.cluster: no cluster "wep" (did you mean "web"?)"#,
            #"9:38: error: listeners[0].routes[0].mirror.percent: "5" is not a percentage such as 20% "#
                + #"or 0.5% (write: 5%)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  mirror: { cluster: web, percent: 120% }
                """#),
            "8:38: error: listeners[0].routes[0].mirror.percent: 120% is out of bounds (expected 0% "
                + "to 100%)"),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  hash: [clientip, { header: x-user, cookie: sid }, { cookie: { ttl: 1h } }, { query: "" }, {}]
                """#),
            #"8:12: error: listeners[0].routes[0].hash[0]: "clientip" is not a hash policy (write "#
                + #"client_ip, or { header: clientip })"#,
            #"8:48: error: listeners[0].routes[0].hash[1].cookie: "header" and "cookie" exclude each "#
                + #"other (keep one)"#,
            #"8:65: error: listeners[0].routes[0].hash[2].cookie: "name" is required (expected a "#
                + #"cookie's name)"#,
            "8:89: error: listeners[0].routes[0].hash[3].query: must not be empty",
            #"8:95: error: listeners[0].routes[0].hash[4]: one of "header", "cookie", "client_ip", "#
                + #""query" is required"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  redirect: { path: /new }
                  hash: [{ cookie: { name: "a b", path: "/;x" } }]
                """#),
            #"8:11: error: listeners[0].routes[0].hash: has no meaning for a route that asks no cluster (remove it)"#,
            #"8:30: error: listeners[0].routes[0].hash[0].cookie.name: "a b" is not a cookie's name"#,
            #"8:43: error: listeners[0].routes[0].hash[0].cookie.path: a cookie's path holds no ";""#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  cluster: api
                  filters: { heders: off, router: off }
                """#),
            #"8:16: error: listeners[0].routes[0].filters.heders: filter "heders" is not in this "#
                + #"listener's chain"#,
            #"8:29: error: listeners[0].routes[0].filters.router: "router" cannot be overridden (set "#
                + #"the route's own keys)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  redirect: { path: new, status: 300 }
                """#),
            #"7:23: error: listeners[0].routes[0].redirect.path: "new" does not begin with a slash "#
                + #"(write: /new)"#,
            "7:36: error: listeners[0].routes[0].redirect.status: 300 cannot be used here (valid: "
                + "301, 302, 303, 307, 308)"),
        Mistake(
            Around.route(
                #"""
                - match: { path: { prefix: / } }
                  redirect: { scheme: htps, host: 'a.example:80', port: 0 }
                  timeout: 1s
                """#),
            #"7:25: error: listeners[0].routes[0].redirect.scheme: "htps" is not known here (did you "#
                + #"mean "https"? valid: http, https)"#,
            #"7:37: error: listeners[0].routes[0].redirect.host: "a.example:80" has a port (hosts "#
                + #"stand here without a port)"#,
            "7:59: error: listeners[0].routes[0].redirect.port: 0 is out of bounds (expected 1 to 65535)",
            "8:14: error: listeners[0].routes[0].timeout: has no meaning for a route that asks no "
                + "cluster (remove it)"),
        Mistake(
            Around.route(
                #"""
                - match: { path: { regex: a } }
                  redirect: { prefix: /a, path: /b }
                """#),
            #"7:15: error: listeners[0].routes[0].redirect: "prefix" replaces the prefix of a match "#
                + #"that has none (use "path", or match by prefix)"#,
            #"7:35: error: listeners[0].routes[0].redirect.path: "prefix" and "path" exclude each "#
                + #"other (keep one)"#),
        Mistake(
            Around.route(
                #"""
                - match: { path: { regex: a } }
                  redirect: {}
                """#),
            "7:15: error: listeners[0].routes[0].redirect: a redirect changes nothing (write scheme, "
                + "host, port, path, prefix or regex)"),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  respond: { body: x }
                """#),
            #"7:14: error: listeners[0].routes[0].respond: "status" is required (expected a whole number)"#),
        Mistake(
            Around.route(
                #"""
                - match: {}
                  respond: { status: 204, body: x, headers: { content-length: 1, 'a b': c, d: "e\n" } }
                """#),
            "7:35: error: listeners[0].routes[0].respond.body: a response with status 204 has no "
                + "body (remove it)",
            "7:47: error: listeners[0].routes[0].respond.headers: content-length is written by the "
                + "proxy (remove it)",
            #"7:68: error: listeners[0].routes[0].respond.headers."a b": "a b" is not a header's name"#,
            "7:81: error: listeners[0].routes[0].respond.headers.d: a header's value must not hold "
                + "control characters"),
        Mistake(
            Around.route(
                #"""
                - name: a
                  match: {}
                  cluster: api
                - name: a
                  match: {}
                  cluster: api
                """#),
            #"9:5: error: listeners[0].routes[1].name: duplicate route name "a""#),
    ]

    private static let cluster: [Mistake] = [
        Mistake(
            Around.cluster("- name: api"),
            #"8:3: error: clusters[0]: one of "endpoints", "discovery" is required"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: []
                """#),
            #"9:14: error: clusters[0].endpoints: a cluster needs at least one endpoint (endpoints: "#
                + #"["10.0.0.1:8080"])"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: 10.0.0.1:80
                """#),
            #"9:14: error: clusters[0].endpoints: expected a list, found "10.0.0.1:80" (write [a, b], "#
                + #"or one `- item` a line)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1", "api.internal:80", "10.0.0.1:0", "0.0.0.0:80", { adress: "10.0.0.1:80" }, { address: "10.0.0.2:80", weight: 0 }]
                """#),
            #"9:15: error: clusters[0].endpoints[0]: "10.0.0.1" has no port (expected an address such "#
                + #"as 10.0.0.1:8080, [::1]:8080 or unix:/run/app.sock)"#,
            #"9:27: error: clusters[0].endpoints[1]: "api.internal" is not an IP address (for a name "#
                + #"write discovery: { dns: api.internal:80 } instead of endpoints)"#,
            "9:46: error: clusters[0].endpoints[2]: port 0 is out of bounds (expected 1 to 65535)",
            "9:60: error: clusters[0].endpoints[3]: 0.0.0.0:80 is no address to connect to",
            #"9:76: error: clusters[0].endpoints[4].adress: unknown key "adress" (did you mean "address"?)"#,
            "9:135: error: clusters[0].endpoints[5].weight: 0 is out of bounds (expected 1 to 128)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80", "10.0.0.1:80"]
                """#),
            "9:30: error: clusters[0].endpoints[1]: duplicate endpoint 10.0.0.1:80 (give one of them "
                + "a weight)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  discovery: { dns: "api:80" }
                """#),
            #"10:14: error: clusters[0].discovery: "endpoints" and "discovery" exclude each other "#
                + #"(keep one)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  discovery: { service: web }
                """#),
            "9:25: error: clusters[0].discovery.service: is what a control plane knows, and not a proxy (hand it to "
                + "one with martlet apply, or write endpoints, or discovery: { dns: api.internal:8080 })"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  discovery: { dns: api, refresh: 0 }
                """#),
            #"9:21: error: clusters[0].discovery.dns: "api" has no valid port (expected a name and a "#
                + #"port, such as api.internal:8080)"#,
            "9:35: error: clusters[0].discovery.refresh: 0 is out of bounds (expected 100ms to 1h)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  discovery: { dns: "10.0.0.1:80" }
                """#),
            #"9:21: error: clusters[0].discovery.dns: "10.0.0.1" is an address, not a name (write it "#
                + #"under endpoints)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                - name: api
                  endpoints: ["10.0.0.2:80"]
                """#),
            #"10:9: error: clusters[1].name: duplicate cluster "api" (first on line 8)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  load_balancing: leastrequest
                  protocol: http3
                """#),
            #"10:19: error: clusters[0].load_balancing: "leastrequest" is not known here (did you "#
                + #"mean "least_request"? valid: round_robin, least_request, random, ring_hash, maglev, peak_ewma)"#,
            #"11:13: error: clusters[0].protocol: "http3" is not known here (did you mean "http1"? "#
                + #"valid: http1, http2, auto)"#),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  load_balancing: maglev
                  maglev: { table_size: 1000 }
                  ring_hash: { min_ring_size: 9, max_ring_size: 8 }
                  slow_start: 30s
                  zone_preference: { overprovisioning: 50% }
                """#),
            "11:25: error: clusters[0].maglev.table_size: 1000 is not a prime (such as 251, 4099, 65537, 655373)",
            "12:14: error: clusters[0].ring_hash: is not used (write load_balancing: ring_hash, or remove it)",
            "12:31: error: clusters[0].ring_hash.min_ring_size: is above max_ring_size (write 8 or less)",
            "13:15: error: clusters[0].slow_start: has no meaning for maglev, whose choice is the key's "
                + "alone (remove it)",
            "14:20: error: clusters[0].zone_preference: has no meaning for maglev, whose choice is the "
                + "key's alone (remove it)",
            "14:40: error: clusters[0].zone_preference.overprovisioning: 50% is out of bounds (expected "
                + "100% to 1000%)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  slow_start: 30
                  health_check: { http: { expect: [ok, 99, 300-200], method: CONNECT }, interval: 1ms, tcp: {} }
                  outlier_detection: { consecutive_local_origin_failure: 3, base_ejection_time: 60s, max_ejection_time: 30s }
                  circuit_breaker: { error_rate: { threshold: 50, half_open: 1 } }
                """#),
            #"10:15: error: clusters[0].slow_start: "30" has no unit (write 30s or 30ms)"#,
            #"11:25: error: clusters[0].health_check.http: "path" is required (expected a path such as /new or /new?a=b)"#,
            #"11:36: error: clusters[0].health_check.http.expect[0]: "ok" is no status (write 200, or 200-299; from 200 to 599)"#,
            #"11:40: error: clusters[0].health_check.http.expect[1]: "99" is no status (write 200, or 200-299; from 200 to 599)"#,
            #"11:44: error: clusters[0].health_check.http.expect[2]: "300-200" is no status (write 200, or 200-299; from 200 to 599)"#,
            #"11:62: error: clusters[0].health_check.http.method: CONNECT checks nothing (write GET or HEAD)"#,
            "11:83: error: clusters[0].health_check.interval: 1ms is out of bounds (expected 10ms to 1h)",
            #"11:93: error: clusters[0].health_check.tcp: "http" and "tcp" exclude each other (keep one)"#,
            "12:58: error: clusters[0].outlier_detection.consecutive_local_origin_failure: is not used "
                + "(add split_external_local_origin_errors: true)",
            "12:105: error: clusters[0].outlier_detection.max_ejection_time: is below base_ejection_time",
            #"13:47: error: clusters[0].circuit_breaker.error_rate.threshold: "50" is not a percentage such as 20% or 0.5% (write: 50%)"#,
            #"13:51: error: clusters[0].circuit_breaker.error_rate.half_open: unknown key "half_open" (did you mean "half_open_requests"?)"#
        ),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  conect_timeout: 1s
                  circuit_breaker: { max_conections: 1, max_requests: 0 }
                  limits: { response_headers: 2MiB }
                """#),
            #"10:3: error: clusters[0].conect_timeout: unknown key "conect_timeout" (did you mean "#
                + #""connect_timeout"?)"#,
            #"11:22: error: clusters[0].circuit_breaker.max_conections: unknown key "max_conections" "#
                + #"(did you mean "max_connections"?)"#,
            "11:55: error: clusters[0].circuit_breaker.max_requests: 0 is out of bounds (expected 1 "
                + "to 10000000)",
            "12:31: error: clusters[0].limits.response_headers: 2MiB is out of bounds (expected 1KiB "
                + "to 1MiB)"),
        Mistake(
            Around.cluster(
                #"""
                - name: api
                  endpoints: ["10.0.0.1:80"]
                  connect_timeout: 0
                """#),
            "10:20: error: clusters[0].connect_timeout: 0 is out of bounds (expected 1ms to 1h)"),
    ]

    private static let policy: [Mistake] = [
        Mistake(
            Around.document("policies: [{ name: a }]"),
            #"1:12: error: policies[0]: one of "file", "inline" is required"#),
        Mistake(
            Around.document("policies: [{ name: a, file: none.lua }]"),
            #"1:29: error: policies[0].file: cannot read "none.lua": No such file or directory "#
                + #"(relative paths start at the configuration file's folder)"#),
        Mistake(
            Around.document(#"policies: [{ name: a, inline: "", on_error: denny, mode: shadowy }]"#),
            "1:31: error: policies[0].inline: the policy is empty",
            #"1:45: error: policies[0].on_error: "denny" is not known here (did you mean "deny"? "#
                + #"valid: deny, skip)"#,
            #"1:58: error: policies[0].mode: "shadowy" is not known here (did you mean "shadow"? valid: enforce, shadow)"#
        ),
        Mistake(
            Around.document(
                "policies: [{ name: a, inline: x, budget: { instructions: 1, memory: 1GB, time: 1m } }, { name: a, inline: x, file: none.lua }]"
            ),
            "1:58: error: policies[0].budget.instructions: 1 is out of bounds (expected 1000 to 1000000000)",
            #"1:69: error: policies[0].budget.memory: "GB" is not a unit of size (write: 1GiB)"#,
            "1:80: error: policies[0].budget.time: 1m is out of bounds (expected 1ms to 10s)",
            #"1:96: error: policies[1].name: duplicate policy "a" (first on line 1)"#,
            #"1:116: error: policies[1].file: "inline" and "file" exclude each other (keep one)"#,
            #"1:116: error: policies[1].file: cannot read "none.lua": No such file or directory "#
                + #"(relative paths start at the configuration file's folder)"#),
    ]
}
