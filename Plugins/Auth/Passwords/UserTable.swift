internal import MartletConfig
internal import MartletCore
internal import MartletCrypto
internal import MartletFilter

/// The users of an htpasswd file. Shared by all workers; a reload that leaves it unchanged keeps it, and with it what workers remember.
final class UserTable: Sendable {
    struct Settings: Sendable, Equatable {
        /// How long a password that was right is taken to be; zero: it is checked each time.
        var cache: Duration = .seconds(300)
        /// Passwords remembered by each worker.
        var cacheSize = 1024
        /// Passwords that wait to be checked, of the whole process.
        var queue = 100
        /// Requests that wait for their password to be checked, on each worker.
        var maxWaiting = 1000
        /// Wrong passwords for a user from an address, on each worker, before further ones are not checked; 0 is no limit.
        var maxFailures = 10
        /// How long that is counted.
        var failureWindow: Duration = .seconds(60)
    }

    struct User: Sendable {
        let identity: Identity
        let hash: PasswordHash
        /// The name as a header's value.
        let value: [UInt8]
    }

    let settings: Settings
    let users: [User]
    private let numbers: [[UInt8]: Int]
    private let fingerprint: SHA256Hash
    /// Of this process: what is remembered of passwords says nothing without it, and an unknown user's stand-in cannot be foreseen.
    let secret = SecretBytes(random: 32)

    init(_ users: [User], fingerprint: SHA256Hash, _ settings: Settings) {
        self.users = users
        self.settings = settings
        self.fingerprint = fingerprint
        numbers = Dictionary(
            users.enumerated().map { ($0.element.value, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    func isSame(as other: UserTable) -> Bool { fingerprint == other.fingerprint && settings == other.settings }

    func number(of name: [UInt8]) -> Int? { numbers[name] }

    /// Whose hash stands in for that of a user who is not there: always the same for a name, so that asking again tells nothing.
    func standIn(for name: [UInt8], _ state: HashState) -> Int {
        Int(state.hmac(name.span, key: secret).prefix % UInt64(max(users.count, 1)))
    }
}

/// How a password is kept.
enum PasswordHash: Sendable, Equatable {
    /// bcrypt or SHA-crypt, as crypt(5) writes it.
    case crypt(String)
    /// `{SHA}`: fast, and without salt.
    case sha1([UInt8])

    /// Takes as long as the hash asks for: not for a worker's thread.
    func matches(_ password: [UInt8]) -> Bool {
        switch self {
        case .crypt(let hash): PasswordChecker()?.matches(password, hash) ?? false
        case .sha1(let hash): HashState().isSHA1(hash.span, of: password.span)
        }
    }
}
