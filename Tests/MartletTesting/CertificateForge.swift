public import Foundation

/// Certificates for tests, made with the openssl program once for the process and kept in a folder of its own.
///
///     let forge = CertificateForge.shared
///     let server = try forge.server("api.test", "*.api.test")
///     let client = try forge.client(uri: "spiffe://mesh.test/ns/shop/sa/cart")
///     forge.authority().certificateFile  // what trusts both
public final class CertificateForge: @unchecked Sendable {
    // Sendable because `made` is only touched with the lock held.
    public static let shared = CertificateForge()

    public enum KeyKind: String, Sendable, CaseIterable {
        case ecdsa, rsa, ed25519
    }

    /// A certificate and its key, each in a PEM file of its own.
    public struct Issued: Sendable {
        public let certificateFile: String
        public let keyFile: String

        public var certificate: [UInt8] { CertificateForge.read(certificateFile) }
        public var key: [UInt8] { CertificateForge.read(keyFile) }
    }

    public struct ForgeError: Error {
        public let output: String
    }

    public let folder: URL
    private let lock = NSRecursiveLock()
    private var made: [String: Issued] = [:]

    private init() {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-forge-\(ProcessInfo.processInfo.processIdentifier)")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(at: CertificateForge.shared.folder) }
    }

    fileprivate static func read(_ file: String) -> [UInt8] { contents(file) ?? [] }

    /// What a file holds; nil when there is none.
    public static func contents(_ file: String) -> [UInt8]? {
        FileManager.default.contents(atPath: file).map { Array($0) }
    }

    // MARK: Who issues

    /// An authority; one of a name is always the same.
    public func authority(_ name: String = "Test CA", by issuer: Issued? = nil) throws -> Issued {
        try issue(
            name, extensions: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
            by: issuer, key: .ecdsa, days: 30)
    }

    // MARK: What is issued

    /// A server's certificate: names are DNS names, IP addresses or URIs, the first is the common name as well.
    /// - Parameter isClient: it may also be shown to servers.
    public func server(
        _ names: String..., by issuer: Issued? = nil, key: KeyKind = .ecdsa, days: Int = 30, isClient: Bool = false
    ) throws -> Issued {
        try issue(
            names.first ?? "server",
            extensions: ["extendedKeyUsage=serverAuth\(isClient ? ",clientAuth" : "")"] + Self.alternatives(names),
            by: issuer ?? authority(), key: key, days: days)
    }

    /// A client's certificate, with a SPIFFE ID, say.
    public func client(
        _ name: String = "client", uri: String? = nil, by issuer: Issued? = nil, key: KeyKind = .ecdsa, days: Int = 30
    ) throws -> Issued {
        try issue(
            name, extensions: ["extendedKeyUsage=clientAuth"] + Self.alternatives(uri.map { [$0] } ?? []),
            by: issuer ?? authority(), key: key, days: days)
    }

    /// A certificate that nobody vouches for.
    public func selfSigned(_ names: String..., key: KeyKind = .ecdsa) throws -> Issued {
        try issue(names.first ?? "self", extensions: Self.alternatives(names), by: nil, key: key, days: 30)
    }

    /// An OCSP response about a certificate, DER.
    public func staple(_ issued: Issued, isRevoked: Bool = false, by issuer: Issued? = nil) throws -> [UInt8] {
        let issuer = try issuer ?? authority()
        let name = "\(issued.certificateFile)-\(isRevoked)"
        let serial = try Self.openssl("x509", "-in", issued.certificateFile, "-noout", "-serial")
            .trimmingCharacters(in: .whitespacesAndNewlines).dropFirst("serial=".count)
        // The openssl program's own table of what it has issued: six columns.
        let row =
            "\(isRevoked ? "R" : "V")\t400101000000Z\t\(isRevoked ? "240101000000Z" : "")\t\(serial)\tunknown\t/CN=x\n"
        try Data(row.utf8).write(to: URL(fileURLWithPath: name + ".index"))
        try Self.openssl(
            "ocsp", "-index", name + ".index", "-CA", issuer.certificateFile, "-rsigner", issuer.certificateFile,
            "-rkey",
            issuer.keyFile, "-issuer", issuer.certificateFile, "-cert", issued.certificateFile, "-ndays", "5",
            "-respout", name + ".der")
        return Self.read(name + ".der")
    }

    /// The same response, good until then. Its signature does not fit any more, which is the client's to look at.
    public static func staple(_ staple: [UInt8], until end: Date) -> [UInt8] {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        var changed = staple
        // GeneralizedTime: when it was made, since when it is good, until when.
        let times = staple.indices.dropLast(16).filter { staple[$0] == 0x18 && staple[$0 + 1] == 15 }
        guard times.count >= 3 else { return [] }
        changed.replaceSubrange(times[2] + 2..<times[2] + 17, with: Array(format.string(from: end).utf8))
        return changed
    }

    /// A revocation list of an authority, PEM, with these certificates on it.
    public func revocationList(_ revoked: Issued..., by issuer: Issued? = nil) throws -> [UInt8] {
        let issuer = try issuer ?? authority()
        let name = folder.appendingPathComponent("crl-\(UUID().uuidString)").path
        var index = ""
        for issued in revoked {
            let serial = try Self.openssl("x509", "-in", issued.certificateFile, "-noout", "-serial")
                .trimmingCharacters(in: .whitespacesAndNewlines).dropFirst("serial=".count)
            index += "R\t400101000000Z\t240101000000Z\t\(serial)\tunknown\t/CN=x\n"
        }
        try Data(index.utf8).write(to: URL(fileURLWithPath: name + ".index"))
        let config = "[ca]\ndefault_ca = it\n[it]\ndatabase = \(name).index\ndefault_md = sha256\n"
        try Data(config.utf8).write(to: URL(fileURLWithPath: name + ".cnf"))
        try Self.openssl(
            "ca", "-gencrl", "-config", name + ".cnf", "-cert", issuer.certificateFile, "-keyfile", issuer.keyFile,
            "-crldays", "30", "-out", name + ".pem")
        return Self.read(name + ".pem")
    }

    /// A file in the forge's folder.
    public func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let place = folder.appendingPathComponent(name)
        try Data(bytes).write(to: place)
        return place.path
    }

    private static func alternatives(_ names: [String]) -> [String] {
        guard !names.isEmpty else { return [] }
        let list = names.map { name in
            if name.contains("://") { return "URI:\(name)" }
            let isAddress = name.contains(":") || name.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
            return (isAddress ? "IP:" : "DNS:") + name
        }
        return ["subjectAltName=" + list.joined(separator: ",")]
    }

    // MARK: Making

    private func issue(
        _ name: String, extensions: [String], by issuer: Issued?, key: KeyKind, days: Int
    ) throws -> Issued {
        try lock.withLock {
            let order = "\(name) \(extensions) \(issuer?.certificateFile ?? "self") \(key) \(days)"
            if let known = made[order] { return known }
            let number = made.count + 1
            let issued = Issued(
                certificateFile: folder.appendingPathComponent("\(number).pem").path,
                keyFile: folder.appendingPathComponent("\(number).key").path)
            try makeKey(key, issued.keyFile)
            let request = folder.appendingPathComponent("\(number).csr").path
            let config = try file("\(number).cnf", Array(extensions.joined(separator: "\n").utf8))
            try Self.openssl(
                "req", "-new", "-key", issued.keyFile, "-subj", "/O=Martlet tests/CN=\(name)", "-out", request)
            try Self.openssl(
                [
                    "x509", "-req", "-in", request, "-out", issued.certificateFile, "-days", "\(days)", "-extfile",
                    config,
                ]
                    + (issuer.map { ["-CA", $0.certificateFile, "-CAkey", $0.keyFile, "-CAcreateserial"] }
                        ?? ["-signkey", issued.keyFile]))
            made[order] = issued
            return issued
        }
    }

    private func makeKey(_ kind: KeyKind, _ file: String) throws {
        switch kind {
        case .ecdsa:
            try Self.openssl(
                "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
        case .rsa: try Self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file)
        case .ed25519: try Self.openssl("genpkey", "-algorithm", "ED25519", "-out", file)
        }
    }

    /// Runs the openssl program; what it printed.
    @discardableResult
    public static func openssl(_ arguments: String...) throws -> String { try openssl(arguments) }

    @discardableResult
    private static func openssl(_ arguments: [String]) throws -> String {
        let (code, output) = try Tool.run("openssl", arguments)
        guard code == 0 else { throw ForgeError(output: output) }
        return output
    }
}
