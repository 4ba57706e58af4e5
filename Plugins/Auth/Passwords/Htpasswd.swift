internal import MartletCore
internal import MartletCrypto
internal import MartletFilter

/// Reads htpasswd files: a user and the hash of a password a line.
enum Htpasswd {
    struct Mistake: Error, Equatable {
        /// From 1.
        let line: Int
        let message: String
        var hint: String?
    }

    private static let advice = "make it with htpasswd -B, or openssl passwd -6"
    /// Dearer hashes than these take seconds each.
    private static let maxCost = 14
    private static let maxRounds = 1_000_000

    /// The users, and every mistake.
    static func read(_ text: [UInt8]) -> (users: [UserTable.User], mistakes: [Mistake]) {
        var users: [UserTable.User] = []
        var mistakes: [Mistake] = []
        var lines: [[UInt8]: Int] = [:]
        for (index, bytes) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let line = bytes.last == 0x0D ? bytes.dropLast() : bytes
            if line.isEmpty || line.first == 0x23 { continue }
            switch user(Array(line), at: index + 1) {
            case .failure(let mistake): mistakes.append(mistake)
            case .success(let user):
                guard let first = lines[user.value] else {
                    lines[user.value] = index + 1
                    users.append(user)
                    continue
                }
                let name = user.identity.name.prefix(60)
                mistakes.append(Mistake(line: index + 1, message: "user \"\(name)\" stands at line \(first) already"))
            }
        }
        return (users, mistakes)
    }

    private static func user(_ line: [UInt8], at number: Int) -> Result<UserTable.User, Mistake> {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else {
            return .failure(Mistake(line: number, message: "is not `user:hash`", hint: advice))
        }
        let name = Array(line[..<colon])
        guard let text = String(validating: name, as: UTF8.self), !name.contains(where: { $0 < 0x20 || $0 == 0x7F }),
            name.first != 0x20, name.last != 0x20
        else {
            return .failure(
                Mistake(
                    line: number, message: "a user's name is UTF-8 without control characters or blanks at its ends"))
        }
        guard let hash = String(validating: line[(colon + 1)...], as: UTF8.self) else {
            return .failure(Mistake(line: number, message: "the hash is not text", hint: advice))
        }
        switch read(hash) {
        case .read(let hash):
            return .success(UserTable.User(identity: Identity(.basicAuth, name: text), hash: hash, value: name))
        case .refused(let message): return .failure(Mistake(line: number, message: message, hint: advice))
        }
    }

    private enum Reading {
        case read(PasswordHash)
        case refused(String)
    }

    private static func read(_ hash: String) -> Reading {
        if hash.hasPrefix("{SHA}") { return sha1(Array(hash.utf8.dropFirst(5))) }
        if ["$2y$", "$2b$", "$2a$"].contains(where: hash.hasPrefix) { return bcrypt(hash) }
        if hash.hasPrefix("$5$") { return shaCrypt(hash, length: 43) }
        if hash.hasPrefix("$6$") { return shaCrypt(hash, length: 86) }
        if hash.hasPrefix("$apr1$") || hash.hasPrefix("$1$") {
            return .refused("MD5 hashes are too weak to be accepted")
        }
        if hash.hasPrefix("$") || hash.hasPrefix("{") { return .refused("is a kind of hash that is not known here") }
        return .refused("is no hash that is known here: plain text and DES crypt are not accepted")
    }

    private static func sha1(_ text: [UInt8]) -> Reading {
        guard let bytes = Base64.decode(text.span, .standard), bytes.count == 20 else {
            return .refused("{SHA} is followed by 28 characters of base64")
        }
        return .read(.sha1(bytes))
    }

    private static func bcrypt(_ hash: String) -> Reading {
        let parts = hash.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[2].utf8.count == 2, let cost = Int(parts[2]), isHash(parts[3], length: 53) else {
            return .refused("is no whole bcrypt hash")
        }
        guard (4...maxCost).contains(cost) else {
            return .refused("a bcrypt cost of \(cost) is out of bounds: 4 to \(maxCost)")
        }
        return .read(.crypt(hash))
    }

    private static func shaCrypt(_ hash: String, length: Int) -> Reading {
        var parts = hash.split(separator: "$", omittingEmptySubsequences: false).dropFirst(2)
        if let first = parts.first, first.hasPrefix("rounds=") {
            guard let rounds = Int(first.dropFirst(7)), (1000...maxRounds).contains(rounds) else {
                return .refused("rounds of SHA-crypt are 1000 to \(maxRounds)")
            }
            parts = parts.dropFirst()
        }
        guard parts.count == 2, let salt = parts.first, let rest = parts.last, salt.utf8.count <= 16,
            isHash(salt, length: salt.utf8.count), isHash(rest, length: length)
        else { return .refused("is no whole SHA-crypt hash") }
        return .read(.crypt(hash))
    }

    private static func isHash(_ text: Substring, length: Int) -> Bool {
        text.utf8.count == length
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x2E...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: false
                }
            }
    }
}
