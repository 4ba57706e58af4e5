// MartletCrypto gives libcrypto and libcrypt a safe face: hashes, signatures, passwords. It knows nothing of tokens or requests.
// All that is unsafe about calling them is in this file: pointers are lent for one call, and lengths are checked before it.

internal import CCrypto

/// The hashes that signatures are made over.
public enum HashAlgorithm: Int32, Sendable, CaseIterable {
    case sha256 = 256
    case sha384 = 384
    case sha512 = 512

    /// Bytes of a hash.
    public var size: Int { Int(rawValue) / 8 }
}

/// A SHA-256 hash. Comparing two takes the same time whatever they hold.
public struct SHA256Hash: Sendable, Hashable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Nil unless `bytes` are 32.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        unsafe self.init(writtenBy: { out in
            for index in 0..<32 { unsafe out[index] = bytes[index] }
        })
    }

    /// `write` fills 32 bytes.
    fileprivate init(writtenBy write: (UnsafeMutablePointer<UInt8>) -> Void) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        // Four words are 32 bytes, which is what `write` has room for.
        unsafe withUnsafeMutableBytes(of: &words) { raw in
            if let base = raw.baseAddress { unsafe write(base.assumingMemoryBound(to: UInt8.self)) }
        }
        self.words = words
    }

    public static func == (left: SHA256Hash, right: SHA256Hash) -> Bool {
        (left.words.0 ^ right.words.0) | (left.words.1 ^ right.words.1) | (left.words.2 ^ right.words.2)
            | (left.words.3 ^ right.words.3) == 0
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    public var bytes: [UInt8] { unsafe withUnsafeBytes(of: words) { unsafe [UInt8]($0) } }

    /// Eight bytes of it, for choosing among alternatives.
    public var prefix: UInt64 { words.0 }
}

/// Computes hashes. Belongs to one thread. OpenSSL 3.0 allocates its state anew for each hash, once.
@safe
public final class HashState {
    // Made and freed here alone.
    private let state: OpaquePointer

    public init() {
        guard let state = unsafe ccr_hasher_make() else { fatalError("no memory for a hash state") }
        unsafe self.state = state
    }

    deinit { unsafe ccr_hasher_free(state) }

    public func sha256(_ data: Span<UInt8>) -> SHA256Hash {
        unsafe SHA256Hash { out in
            unsafe data.withUnsafeBufferPointer { bytes in
                precondition(
                    unsafe ccr_hash(state, Int32(CCR_SHA256), bytes.baseAddress, bytes.count, out), "SHA-256 is missing"
                )
            }
        }
    }

    /// HMAC-SHA-256.
    public func hmac(_ data: Span<UInt8>, key: SecretBytes) -> SHA256Hash {
        unsafe SHA256Hash { out in
            let isDone = unsafe data.withUnsafeBufferPointer { bytes in
                unsafe ccr_hmac(state, Int32(CCR_SHA256), key.base, key.count, bytes.baseAddress, bytes.count, out)
            }
            precondition(isDone, "SHA-256 is missing")
        }
    }

    /// Whether `mac` is the HMAC of `data`, all of it; takes the same time for a right one as for a wrong one.
    public func isHMAC(_ mac: Span<UInt8>, of data: Span<UInt8>, _ algorithm: HashAlgorithm, key: SecretBytes) -> Bool {
        guard mac.count == algorithm.size else { return false }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { out in
            unsafe data.withUnsafeBufferPointer { bytes in
                unsafe mac.withUnsafeBufferPointer { mac in
                    guard let expected = out.baseAddress, let given = mac.baseAddress else { return false }
                    return unsafe ccr_hmac(
                        state, algorithm.rawValue, key.base, key.count, bytes.baseAddress, bytes.count, expected)
                        && ccr_equal(expected, given, mac.count)
                }
            }
        }
    }

    /// The SHA-1 of `data`, which the WebSocket handshake is made with (RFC 6455 section 4.2.2). Nil without memory.
    public func sha1(of data: Span<UInt8>) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 20)
        let isDone = unsafe out.withUnsafeMutableBufferPointer { out in
            unsafe data.withUnsafeBufferPointer { bytes in
                guard let hash = out.baseAddress else { return false }
                return unsafe ccr_hash(state, Int32(CCR_SHA1), bytes.baseAddress, bytes.count, hash)
            }
        }
        return isDone ? out : nil
    }

    /// Whether `hash` is the SHA-1 of `data`; for what nothing else fits, htpasswd's `{SHA}`.
    public func isSHA1(_ hash: Span<UInt8>, of data: Span<UInt8>) -> Bool {
        guard hash.count == 20 else { return false }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { out in
            unsafe data.withUnsafeBufferPointer { bytes in
                unsafe hash.withUnsafeBufferPointer { hash in
                    guard let expected = out.baseAddress, let given = hash.baseAddress else { return false }
                    return unsafe ccr_hash(state, Int32(CCR_SHA1), bytes.baseAddress, bytes.count, expected)
                        && ccr_equal(expected, given, 20)
                }
            }
        }
    }
}

/// Bytes that are overwritten when nobody needs them any more.
///
/// `@unchecked Sendable`: the bytes are written in `init` and only read until `deinit`.
@safe
public final class SecretBytes: @unchecked Sendable {
    fileprivate let base: UnsafeMutablePointer<UInt8>
    public let count: Int

    public init(_ bytes: [UInt8]) {
        count = bytes.count
        unsafe base = .allocate(capacity: max(bytes.count, 1))
        for index in bytes.indices { unsafe base[index] = bytes[index] }
    }

    /// As many random bytes. Ends the process when the system has none to give, for nothing may be secret then.
    public init(random count: Int) {
        self.count = max(count, 0)
        unsafe base = .allocate(capacity: max(count, 1))
        precondition(unsafe ccr_random(base, self.count), "no random bytes to be had")
    }

    deinit {
        unsafe ccr_wipe(base, count)
        unsafe base.deallocate()
    }
}

/// A key that signatures are checked with.
///
/// `@unchecked Sendable`: libcrypto only reads a key once it is made, and counts its users atomically.
@safe
public final class PublicKey: @unchecked Sendable {
    public enum Curve: Int32, Sendable, CaseIterable {
        case p256 = 256
        case p384 = 384
        case p521 = 521
    }

    /// How a signature is made. The key must be of its kind.
    public enum Scheme: Sendable, Equatable {
        case rsaPKCS1(HashAlgorithm)
        case rsaPSS(HashAlgorithm)
        case ecdsa(HashAlgorithm)
        case edwards
    }

    private let key: OpaquePointer

    private init?(_ key: OpaquePointer?) {
        guard let key = unsafe key else { return nil }
        unsafe self.key = key
    }

    deinit { unsafe ccr_key_free(key) }

    /// From big-endian numbers. Nil unless the modulus has 2048 to 8192 bits and the exponent is odd and of at most 64 bits.
    public convenience init?(rsaModulus modulus: [UInt8], exponent: [UInt8]) {
        unsafe self.init(ccr_key_rsa(modulus, modulus.count, exponent, exponent.count))
    }

    /// From a point's coordinates. Nil unless each has the curve's full size and the point is on the curve.
    public convenience init?(_ curve: Curve, x: [UInt8], y: [UInt8]) {
        guard x.count == y.count else { return nil }
        unsafe self.init(ccr_key_ec(curve.rawValue, x, y, x.count))
    }

    /// Ed25519 from 32 bytes, Ed448 from 57.
    public convenience init?(edwards bytes: [UInt8]) {
        unsafe self.init(ccr_key_edwards(bytes, bytes.count))
    }

    /// Whether `signature` is that of `data` by this key. ECDSA's is r and s, one behind the other.
    public func isSignature(_ signature: Span<UInt8>, of data: Span<UInt8>, _ scheme: Scheme) -> Bool {
        let (number, hash): (Int32, Int32) =
            switch scheme {
            case .rsaPKCS1(let hash): (Int32(CCR_RSA_PKCS1), hash.rawValue)
            case .rsaPSS(let hash): (Int32(CCR_RSA_PSS), hash.rawValue)
            case .ecdsa(let hash): (Int32(CCR_ECDSA), hash.rawValue)
            case .edwards: (Int32(CCR_EDDSA), 0)
            }
        return unsafe signature.withUnsafeBufferPointer { signature in
            unsafe data.withUnsafeBufferPointer { data in
                unsafe ccr_verify(
                    key, number, hash, signature.baseAddress, signature.count, data.baseAddress, data.count)
            }
        }
    }
}

/// Checks passwords against hashes in the form of crypt(5). Belongs to one thread.
@safe
public final class PasswordChecker {
    private let room: OpaquePointer

    /// Nil without memory.
    public init?() {
        guard let room = unsafe ccr_crypt_make() else { return nil }
        unsafe self.room = room
    }

    deinit { unsafe ccr_crypt_free(room) }

    /// libcrypt takes no longer ones.
    public static let maxPassword = 511

    /// False, too, for a password that holds NUL, where libcrypt would stop reading, or is too long. Takes as long as the hash asks for.
    public func matches(_ password: [UInt8], _ hash: String) -> Bool {
        guard password.count <= Self.maxPassword, !password.contains(0), !hash.utf8.contains(0) else { return false }
        var text = password.map { CChar(bitPattern: $0) } + [0]
        let matches = unsafe ccr_crypt_matches(room, text, hash)
        for index in text.indices { text[index] = 0 }
        return matches
    }
}
