/// One thing wrong with a configuration, said so that the reader can repair it without opening the manual.
public struct ConfigError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Sendable {
        case error
        /// The configuration runs, but probably not as meant.
        case warning
    }

    public var severity: Severity
    public var mark: ConfigMark
    /// `listeners[0].filters[2].rate_limit.per`; empty for the document itself.
    public var path: String
    public var message: String
    /// What to write instead, when that can be known.
    public var hint: String?

    public init(
        severity: Severity = .error, mark: ConfigMark, path: String, message: String, hint: String? = nil
    ) {
        self.severity = severity
        self.mark = mark
        self.path = path
        self.message = message
        self.hint = hint
    }

    /// `file:line:column: error: path: message (hint)`, on one line whatever the file held.
    public var description: String {
        var text = "\(mark): \(severity.rawValue): "
        if !path.isEmpty { text += Self.printable(path) + ": " }
        text += Self.printable(message)
        if let hint { text += " (\(Self.printable(hint)))" }
        return text
    }

    /// On one line, without what a terminal would obey.
    package static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: result += "\\n"
            case 0x0D: result += "\\r"
            case 0x09: result += "\\t"
            // Control characters, and the bidirectional ones that would reorder what a terminal shows.
            case 0..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// Collects what is wrong while decoding goes on, so that an operator sees every mistake at once.
///
/// Belongs to one thread: a snapshot is built by one.
public final class ConfigDiagnostics {
    /// Beyond this many, further ones are only counted: a file of the wrong kind would fill the memory with complaints.
    package static let maxKept = 1000

    private var kept: [ConfigError] = []
    private var seen: Set<ConfigError> = []
    package private(set) var dropped = 0
    private var errorCount = 0

    /// The document came by discovery, where a cluster may be without endpoints for a time.
    package var isDiscovered = false

    /// What the load has read.
    package let files = ConfigSources()

    public init() {}

    public var hasErrors: Bool { errorCount > 0 }

    /// Errors by file, line and column.
    public var errors: [ConfigError] { sorted(.error) }

    /// Warnings by file, line and column.
    public var warnings: [ConfigError] { sorted(.warning) }

    /// Errors and warnings, one a line, and how many more there were.
    package var report: String {
        var lines = (errors + warnings).sorted { $0.mark < $1.mark }.map(\.description)
        if dropped > 0 { lines.append("... and \(dropped) more") }
        return lines.joined(separator: "\n")
    }

    public func error(at place: ConfigPlace, _ message: String, hint: String? = nil) {
        add(ConfigError(mark: place.mark, path: place.path.description, message: message, hint: hint))
    }

    public func warning(at place: ConfigPlace, _ message: String, hint: String? = nil) {
        add(
            ConfigError(
                severity: .warning, mark: place.mark, path: place.path.description, message: message, hint: hint))
    }

    public func add(_ error: ConfigError) {
        if error.severity == .error { errorCount += 1 }
        guard kept.count < Self.maxKept else {
            dropped += 1
            return
        }
        // A value used through a YAML alias is read once for each use, but it is one mistake.
        guard seen.insert(error).inserted else { return }
        kept.append(error)
    }

    private func sorted(_ severity: ConfigError.Severity) -> [ConfigError] {
        kept.filter { $0.severity == severity }.sorted {
            $0.mark == $1.mark ? ($0.path, $0.message) < ($1.path, $1.message) : $0.mark < $1.mark
        }
    }
}
