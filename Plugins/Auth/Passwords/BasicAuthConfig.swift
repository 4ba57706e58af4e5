internal import MartletConfig
internal import MartletCore
internal import MartletCrypto
internal import MartletFilter
internal import Synchronization

/// What a `basic_auth` filter asks for, decoded.
public struct BasicAuthConfig: Sendable {
    let table: UserTable?
    /// User and password do not go on to the upstream.
    let hidesCredentials: Bool
    let usernameHeader: HeaderName?
    let ownHeaders: OwnHeaders
    /// Nil: the listener's name.
    let realm: String?

    init(_ section: ConfigSection, _ tables: UserTables) {
        var settings = UserTable.Settings()
        let day = Duration.seconds(86_400)
        settings.cache = section.duration("cache", default: settings.cache, in: .zero...day)
        settings.cacheSize = section.int("cache_size", default: settings.cacheSize, in: 1...1_000_000)
        settings.queue = section.int("queue", default: settings.queue, in: 1...100_000)
        settings.maxWaiting = section.int("max_waiting", default: settings.maxWaiting, in: 1...1_000_000)
        settings.maxFailures = section.int("max_failures", default: settings.maxFailures, in: 0...1_000_000)
        settings.failureWindow = section.duration(
            "failure_window", default: settings.failureWindow, in: .seconds(1)...day)
        realm = section.value("realm", .realm)
        hidesCredentials = section.bool("hide_credentials", default: true)
        let header = section.headerName("forward_username_header")
        if let reason = header?.reasonNotToSet {
            section.error(at: "forward_username_header", reason, hint: "take a name of your own")
        }
        usernameHeader = header
        ownHeaders = OwnHeaders(header.map { [$0] } ?? [])
        if section.has("htpasswd") {
            table = Self.table(section, settings, tables)
        } else {
            section.missing("htpasswd", hint: "the path of a file with user:hash lines, as htpasswd -B makes it")
            table = nil
        }
    }

    /// The table in the file that `htpasswd` names; nil after errors were reported.
    static func table(_ section: ConfigSection, _ settings: UserTable.Settings, _ tables: UserTables) -> UserTable? {
        guard let text = section.file("htpasswd", atMost: 16 << 20) else { return nil }
        let (users, mistakes) = Htpasswd.read(text)
        let place = section.place(of: "htpasswd")
        let file = section.path("htpasswd") ?? ""
        for mistake in mistakes {
            section.diagnostics.error(
                at: ConfigPlace(mark: ConfigMark(file: file, line: mistake.line, column: 1), path: place.path),
                mistake.message, hint: mistake.hint)
        }
        guard mistakes.isEmpty else { return nil }
        guard !users.isEmpty else {
            section.error(at: "htpasswd", "\"\(file)\" names no user", hint: "htpasswd -B -c \(file) NAME")
            return nil
        }
        return tables.table(UserTable(users, fingerprint: HashState().sha256(text.span), settings))
    }
}

/// What a route asks for.
public struct BasicAuthRoute: Sendable {
    let isRequired: Bool
    /// Nil: the listener's.
    let table: UserTable?
}

/// The user tables of the process, so that a reload takes over what it leaves unchanged. Holds none of them alive.
final class UserTables: Sendable {
    private struct Weak: Sendable {
        weak var table: UserTable?
    }
    // Taken while a configuration is loaded.
    private let state = Locked<[Weak]>([])

    /// The one there is already, or `new`.
    func table(_ new: UserTable) -> UserTable {
        state.withLock { tables in
            tables.removeAll { $0.table == nil }
            for known in tables {
                if let table = known.table, table.isSame(as: new) { return table }
            }
            tables.append(Weak(table: new))
            return new
        }
    }
}
