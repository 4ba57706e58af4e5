package import MartletCore

/// How a cluster's endpoints are spoken to in secret, and how it is known that they are the ones meant.
package struct ClusterTLSConfig: Sendable, Equatable {
    package enum TrustedCA: Sendable, Equatable {
        case file(FileReference)
        /// Those that the system trusts.
        case system
    }

    /// Who issues endpoints' certificates. Nil: they are not verified, which is warned of.
    package var ca: TrustedCA?
    /// The name asked for (RFC 6066). Default: the name of `discovery`. Nil: none is asked for.
    package var sni: String?
    /// An endpoint's certificate must bear one of these. Default: `sni`. Empty with a `ca`: the endpoint's IP address.
    package var verifySAN: [SANPattern]
    /// Our own, for upstreams that ask for one.
    package var certificate: CertificateConfig?
    package var parameters: TLSParameters
    /// Take up sessions again without a whole handshake. Default: true.
    package var sessionResumption: Bool
    /// Refuse endpoints whose certificate does not lead to `ca` or does not bear a name of `verifySAN`. Default: whether
    /// there is a `ca`.
    package var verify: Bool

    /// Every file that the builder reads.
    package var files: [FileReference] {
        var files = certificate?.files ?? []
        if case .file(let file) = ca { files.append(file) }
        return files
    }
}

extension ClusterTLSConfig {
    /// - Parameter host: the name of `discovery`, in lower case.
    init(_ section: ConfigSection, host: String?) {
        ca = Self.trusted(section)
        sni = section.value("sni", .serverName) ?? host
        verifySAN = section.subjectNames("verify_san")
        if verifySAN.isEmpty, let sni { verifySAN = [.dns(sni)] }
        certificate = CertificateConfig(section, staples: false)
        parameters = TLSParameters(section)
        sessionResumption = section.bool("session_resumption", default: true)
        verify = section.bool("verify", default: section.has("ca"))
        if section.has("ca") {
            if !verify {
                section.warning(
                    at: "verify", "upstream certificates are not verified, and \"ca\" has no effect", hint: "remove it")
            }
        } else if verify {
            section.error(
                at: "verify", "there is nothing to verify by without \"ca\"", hint: "add ca: system, or a file")
        } else if section.has("verify_san") {
            section.error(
                at: "verify_san", "anybody can claim a name: it counts with \"ca\" only",
                hint: "add ca: system, or a file")
        } else if !section.has("verify"), !section.isMalformed {
            section.diagnostics.warning(
                at: section.place, "upstream certificates are not verified",
                hint: "add ca: system or a file; verify: false says that it is meant")
        }
    }

    private static func trusted(_ section: ConfigSection) -> TrustedCA? {
        if section.node["ca"]?.text == "system" {
            _ = section.raw("ca")
            return .system
        }
        return section.fileReference("ca").map { .file($0) }
    }

    var json: ConfigJSON {
        let trusted: ConfigJSON? =
            switch ca {
            case .file(let file): .string(file.path)
            case .system: .string("system")
            case nil: nil
            }
        var members: [(String, ConfigJSON?)] = [
            ("ca", trusted), ("sni", sni.map { .string($0) }),
            ("verify_san", ca == nil || verifySAN.isEmpty ? nil : .strings(verifySAN.map(\.text))),
        ]
        members += certificate?.members ?? []
        members += parameters.members
        members += [("session_resumption", .bool(sessionResumption)), ("verify", .bool(verify))]
        return .object(members)
    }
}

extension ConfigScalar where Value == String {
    /// RFC 6066 section 3: a name, never an address.
    fileprivate static var serverName: ConfigScalar {
        host.checked { name in
            if IPText.ipv4(name[...]) != nil || name.hasPrefix("[") {
                return Problem(
                    "\"\(name.prefix(60))\" is an address: server names are not",
                    hint: "to check it write verify_san: [\(name)]")
            }
            return name.hasSuffix(".") ? Problem("a server name has no dot at its end", hint: "remove it") : nil
        }
    }
}
