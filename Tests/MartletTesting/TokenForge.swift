internal import Foundation

/// A key made by the openssl command, and JSON web tokens signed with it: what a client and an issuer that the tests did not write
/// themselves would send.
public final class TokenForge: @unchecked Sendable {
    // Sendable because everything is set in `init`.

    public enum Kind: String, Sendable {
        case rsa = "RSA"
        case p256 = "P-256"
        case p384 = "P-384"
        case p521 = "P-521"
        case ed25519 = "ED25519"
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public let kind: Kind
    public let kid: String
    private let directory: URL
    /// The public key as DER, SubjectPublicKeyInfo.
    private let der: [UInt8]
    /// The public key as PEM: what an algorithm confusion takes for a secret.
    public let pem: String

    public init(_ kind: Kind, kid: String) throws {
        self.kind = kind
        self.kid = kid
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let key = directory.appendingPathComponent("key.pem").path
        let options: [String] =
            switch kind {
            case .rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
            case .p256, .p384, .p521: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:\(kind.rawValue)"]
            case .ed25519: ["-algorithm", "ED25519"]
            }
        try Self.openssl(["genpkey"] + options + ["-out", key])
        let file = directory.appendingPathComponent("public")
        try Self.openssl(["pkey", "-in", key, "-pubout", "-outform", "DER", "-out", file.path])
        der = [UInt8](try Data(contentsOf: file))
        try Self.openssl(["pkey", "-in", key, "-pubout", "-out", file.path])
        pem = try String(contentsOf: file, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    private static func openssl(_ arguments: [String]) throws {
        let (code, output) = try Tool.run("openssl", arguments)
        guard code == 0 else { throw Failure(description: "openssl \(arguments): \(output)") }
    }

    // MARK: The key

    /// As a JSON web key; `more` is further members, each from its comma.
    public func jwk(_ more: String = "") -> String {
        let members: String
        switch kind {
        case .rsa:
            var reader = DERReader(der)
            let (n, e) = reader.rsaNumbers()
            members = "\"kty\":\"RSA\",\"n\":\"\(Self.text(n))\",\"e\":\"\(Self.text(e))\""
        case .p256, .p384, .p521:
            let size = kind == .p256 ? 32 : kind == .p384 ? 48 : 66
            let x = der.suffix(2 * size).prefix(size)
            let y = der.suffix(size)
            members = "\"kty\":\"EC\",\"crv\":\"\(kind.rawValue)\",\"x\":\"\(Self.text(x))\",\"y\":\"\(Self.text(y))\""
        case .ed25519:
            members = "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\(Self.text(der.suffix(32)))\""
        }
        return "{\(members),\"kid\":\"\(kid)\"\(more)}"
    }

    public static func set(_ keys: [String]) -> String { "{\"keys\":[\(keys.joined(separator: ","))]}" }

    public static func text(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    // MARK: Tokens

    /// A token of this key. `header` is further members, each from its comma.
    public func token(_ algorithm: String, _ claims: String, header: String = "") throws -> String {
        let input =
            "\(Self.text("{\"alg\":\"\(algorithm)\",\"kid\":\"\(kid)\"\(header)}".utf8)).\(Self.text(claims.utf8))"
        return "\(input).\(Self.text(try sign(input, algorithm)))"
    }

    /// A token of any header and claims, signed as `algorithm` says whatever the header does.
    public func token(rawHeader: String, _ claims: String, signedAs algorithm: String) throws -> String {
        let input = "\(Self.text(rawHeader.utf8)).\(Self.text(claims.utf8))"
        return "\(input).\(Self.text(try sign(input, algorithm)))"
    }

    public func sign(_ input: String, _ algorithm: String) throws -> [UInt8] {
        let (data, out) = (try scratch(input), directory.appendingPathComponent(UUID().uuidString))
        defer {
            try? FileManager.default.removeItem(at: data)
            try? FileManager.default.removeItem(at: out)
        }
        let key = directory.appendingPathComponent("key.pem").path
        let hash = "-sha\(algorithm.suffix(3))"
        switch algorithm.prefix(2) {
        case "RS": try Self.openssl(["dgst", hash, "-sign", key, "-out", out.path, data.path])
        case "PS":
            try Self.openssl(
                [
                    "dgst", hash, "-sign", key, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1",
                    "-out",
                    out.path, data.path,
                ])
        case "ES":
            try Self.openssl(["dgst", hash, "-sign", key, "-out", out.path, data.path])
            var reader = DERReader([UInt8](try Data(contentsOf: out)))
            return reader.signature(size: algorithm == "ES256" ? 32 : algorithm == "ES384" ? 48 : 66)
        default:
            try Self.openssl(["pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", data.path, "-out", out.path])
        }
        return [UInt8](try Data(contentsOf: out))
    }

    private func scratch(_ text: String) throws -> URL {
        let file = directory.appendingPathComponent(UUID().uuidString)
        try Data(text.utf8).write(to: file)
        return file
    }

    /// A token whose signature is an HMAC by `secret`.
    public static func hmacToken(
        _ algorithm: String, secret: [UInt8], _ claims: String, header: String = ""
    ) throws -> String {
        let input = "\(text("{\"alg\":\"\(algorithm)\"\(header)}".utf8)).\(text(claims.utf8))"
        let folder = FileManager.default.temporaryDirectory
        let (data, out) = (
            folder.appendingPathComponent("martlet-\(UUID().uuidString)"),
            folder.appendingPathComponent("martlet-\(UUID().uuidString)")
        )
        defer {
            try? FileManager.default.removeItem(at: data)
            try? FileManager.default.removeItem(at: out)
        }
        try Data(input.utf8).write(to: data)
        let hex = secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        try openssl([
            "dgst", "-sha\(algorithm.suffix(3))", "-mac", "HMAC", "-macopt", "hexkey:\(hex)", "-binary", "-out",
            out.path,
            data.path,
        ])
        return "\(input).\(text(try Data(contentsOf: out)))"
    }
}

/// As much of DER as openssl's keys and signatures need.
private struct DERReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Steps into the value here and says how long it is.
    private mutating func enter() -> Int {
        index += 1
        var length = Int(bytes[index])
        index += 1
        if length >= 0x80 {
            let count = length & 0x7F
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(bytes[index])
                index += 1
            }
        }
        return length
    }

    private mutating func integer() -> ArraySlice<UInt8> {
        let length = enter()
        defer { index += length }
        return bytes[index..<(index + length)].drop { $0 == 0 }
    }

    mutating func rsaNumbers() -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        _ = enter()
        index += enter()
        _ = enter()
        index += 1
        _ = enter()
        return (integer(), integer())
    }

    mutating func signature(size: Int) -> [UInt8] {
        _ = enter()
        let (r, s) = (integer(), integer())
        func padded(_ number: ArraySlice<UInt8>) -> [UInt8] {
            [UInt8](repeating: 0, count: size - number.count) + number
        }
        return padded(r) + padded(s)
    }
}
