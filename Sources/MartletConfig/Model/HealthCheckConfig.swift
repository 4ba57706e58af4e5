/// Asking endpoints whether they are well, from one place of the process.
package struct HealthCheckConfig: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case http(HTTPCheckConfig)
        /// A connection that opens is success; with `send` and `receive`, what comes back must hold the latter.
        case tcp(send: String, receive: String)
        /// The standard health service, `grpc.health.v1.Health/Check`.
        case grpc(GRPCCheckConfig)

        package var isGRPC: Bool {
            if case .grpc = self { return true }
            return false
        }
    }

    package var kind: Kind
    /// From the end of a check to the next. Default 5s, 10ms to 1h.
    package var interval: Duration
    /// For one check, connecting included. Default 1s, 10ms to 1m.
    package var timeout: Duration
    /// Failures in a row that make a healthy endpoint unhealthy. Default 3, 1 to 1000.
    package var unhealthyThreshold: Int
    /// Successes in a row that make an unhealthy endpoint healthy. Default 2, 1 to 1000. The first check decides alone.
    package var healthyThreshold: Int
    /// Each wait is longer by a random part up to this of itself, so that checks do not come at once. Default 0.1, 0 to 1.
    package var jitter: Double
    /// In the place of `interval` for endpoints that are unhealthy. Default: `interval`.
    package var unhealthyInterval: Duration
    /// In the place of `interval` until the cluster has had its first request. Default: `interval`.
    package var noTrafficInterval: Duration
    /// Another port than the endpoint's. Nil: the endpoint's.
    package var port: Int?
    /// Idle connections to an endpoint that becomes unhealthy are closed. Default true.
    package var closesConnections: Bool

    init?(_ section: ConfigSection) {
        section.oneOf(["http", "tcp", "grpc"], required: true)
        let http = section.section("http").map { HTTPCheckConfig($0) }
        let tcp = section.section("tcp").map { settings in
            Kind.tcp(
                send: settings.string("send", default: ""), receive: settings.string("receive", default: ""))
        }
        let grpc = section.section("grpc").map { Kind.grpc(GRPCCheckConfig($0)) }
        let times = Duration.milliseconds(10) ... .seconds(3600)
        interval = section.duration("interval", default: .seconds(5), in: times)
        timeout = section.duration("timeout", default: .seconds(1), in: .milliseconds(10) ... .seconds(60))
        unhealthyThreshold = section.int("unhealthy_threshold", default: 3, in: 1...1000)
        healthyThreshold = section.int("healthy_threshold", default: 2, in: 1...1000)
        jitter = section.percent("jitter", default: 0.1)
        unhealthyInterval = section.duration("unhealthy_interval", default: interval, in: times)
        noTrafficInterval = section.duration("no_traffic_interval", default: interval, in: times)
        port = section.int("port", in: 1...65535)
        closesConnections = section.bool("close_connections", default: true)
        guard let kind = http.map({ .http($0) }) ?? tcp ?? grpc else { return nil }
        self.kind = kind
    }
}

/// A request whose answer's status decides.
package struct HTTPCheckConfig: Sendable, Equatable {
    /// With or without a query.
    package var path: String
    /// Default GET.
    package var method: String
    /// Nil: the endpoint's address.
    package var host: String?
    /// Statuses that are success. Default 200.
    package var expect: [ClosedRange<Int>]

    init(_ section: ConfigSection) {
        path = section.value(required: "path", .target) ?? "/"
        method = section.value("method", Self.method) ?? "GET"
        host = section.value("host", .authority)
        expect = section.oneOrMore("expect", Self.statuses)
        if section.raw("expect")?.items?.isEmpty == true {
            section.error(at: "expect", "an empty list expects nothing", hint: "write [200]")
        }
        if expect.isEmpty { expect = [200...200] }
    }

    private static var method: ConfigScalar<String> {
        ConfigScalar<String>.method.checked { method in
            ["CONNECT", "TRACE"].contains(method) ? .init("\(method) checks nothing", hint: "write GET or HEAD") : nil
        }
    }

    private static var statuses: ConfigScalar<ClosedRange<Int>> {
        ConfigScalar(expected: "a status such as 200, or a range such as 200-299") { text in
            let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = parts.first, let low = first, let last = parts.last, let high = last, parts.count <= 2,
                low >= 200, high <= 599, low <= high
            else {
                return .failure(
                    .init("\"\(text.prefix(60))\" is no status", hint: "write 200, or 200-299; from 200 to 599"))
            }
            return .success(low...high)
        }
    }
}

/// A call of the standard health service; it must say SERVING.
package struct GRPCCheckConfig: Sendable, Equatable {
    /// Empty, the default: the server as a whole.
    package var service: String
    /// Nil: the endpoint's address.
    package var authority: String?

    init(_ section: ConfigSection) {
        service = section.string("service", default: "")
        authority = section.value("authority", .authority)
    }
}

extension HealthCheckConfig {
    var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = []
        switch kind {
        case .http(let http):
            members.append(
                (
                    "http",
                    .object([
                        ("path", .string(http.path)), ("method", .string(http.method)),
                        ("host", http.host.map { .string($0) }),
                        (
                            "expect",
                            .list(http.expect) {
                                $0.count == 1 ? .number($0.lowerBound) : .string("\($0.lowerBound)-\($0.upperBound)")
                            }
                        ),
                    ])
                ))
        case .tcp(let send, let receive):
            members.append(("tcp", .object([("send", .string(send)), ("receive", .string(receive))])))
        case .grpc(let grpc):
            members.append(
                (
                    "grpc",
                    .object([
                        ("service", .string(grpc.service)), ("authority", grpc.authority.map { .string($0) }),
                    ])
                ))
        }
        members += [
            ("interval", .string(ConfigText.duration(interval))),
            ("timeout", .string(ConfigText.duration(timeout))),
            ("unhealthy_threshold", .number(unhealthyThreshold)),
            ("healthy_threshold", .number(healthyThreshold)),
            ("jitter", .string(ConfigText.percent(jitter))),
            ("unhealthy_interval", .string(ConfigText.duration(unhealthyInterval))),
            ("no_traffic_interval", .string(ConfigText.duration(noTrafficInterval))),
            ("port", port.map { .number($0) }),
            ("close_connections", .bool(closesConnections)),
        ]
        return .object(members)
    }
}
