package import MartletCore

/// Whether the client's address is told at the beginning of its connection, by what stands in front (HAProxy's PROXY
/// protocol, versions 1 and 2).
package struct ProxyProtocolConfig: Sendable {
    /// Connections without a header, and those from elsewhere than `trusted`, are closed. When false, a connection may begin
    /// without one: its peer is then the client. Default: true.
    package var isRequired = true
    /// Whose headers are believed. Empty: everybody's. When one is not required, what others send is taken as it is.
    package var trusted: [IPPrefix] = []
    /// For the whole header, from the connection's opening. Default 5s, 10ms to 1m.
    package var timeout = Duration.seconds(5)

    /// `true`, or a mapping. Nil for `false`, and after reporting what is wrong.
    init?(_ node: ConfigNode, in section: ConfigSection) {
        if case .scalar = node.content {
            guard section.read(node, ConfigScalar<Bool>.bool) == true else { return nil }
            return
        }
        let settings = section.section(of: node)
        isRequired = settings.bool("required", default: isRequired)
        trusted = settings.values("trusted", .ipPrefix)
        timeout = settings.duration("timeout", default: timeout, in: .milliseconds(10) ... .seconds(60))
        if settings.raw("trusted")?.items?.isEmpty == true {
            settings.error(at: "trusted", "an empty list trusts nobody", hint: "remove it to trust everybody")
        }
    }

    var json: ConfigJSON {
        .object([
            ("required", .bool(isRequired)),
            ("trusted", trusted.isEmpty ? nil : .strings(trusted.map(\.text))),
            ("timeout", .string(ConfigText.duration(timeout))),
        ])
    }
}

/// Which form of the PROXY protocol an upstream is told the client's address in.
package enum ProxyProtocolVersion: String, Sendable, CaseIterable {
    case v1
    case v2
}

extension ConfigScalar where Value == IPPrefix {
    package static var ipPrefix: ConfigScalar {
        ConfigScalar(expected: "an address or a prefix such as 10.0.0.0/8 or 2001:db8::/32") { text in
            do throws(IPPrefix.Problem) {
                return .success(try IPPrefix(text))
            } catch {
                switch error {
                case .notAnAddress:
                    return .failure(
                        Problem("\"\(text.prefix(60))\" is no IP address", hint: "10.0.0.0/8, 192.0.2.7, 2001:db8::/32")
                    )
                case .badLength:
                    return .failure(
                        Problem("\"\(text.prefix(60))\" has no such prefix", hint: "0 to 32 bits of IPv4, 128 of IPv6"))
                case .longerThanPrefix(let network):
                    return .failure(
                        Problem("\"\(text.prefix(60))\" goes on behind its prefix", hint: "write \(network)"))
                }
            }
        }
    }
}
