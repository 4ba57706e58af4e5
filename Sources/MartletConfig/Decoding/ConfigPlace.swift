/// Where in a file something was written. Lines and columns start at 1; columns count Unicode scalars.
public struct ConfigMark: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The path as the operator gave it.
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    public var description: String { "\(file):\(line):\(column)" }

    public static func < (left: ConfigMark, right: ConfigMark) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// The way from the root of a document to one value: `listeners[0].filters[2].rate_limit.per`.
///
/// A chain of steps and no text, because most paths are never printed and a large file has a million of them.
public final class ConfigPath: Sendable, CustomStringConvertible {
    package enum Step: Sendable {
        case key(String)
        case index(Int)
    }

    private let parent: ConfigPath?
    private let step: Step?

    private init(parent: ConfigPath?, step: Step?) {
        self.parent = parent
        self.step = step
    }

    public static let root = ConfigPath(parent: nil, step: nil)

    public func key(_ name: String) -> ConfigPath { ConfigPath(parent: self, step: .key(name)) }
    public func index(_ index: Int) -> ConfigPath { ConfigPath(parent: self, step: .index(index)) }

    /// The innermost key, past any list positions; empty at the root.
    var lastName: String {
        var path: ConfigPath? = self
        while let current = path {
            if case .key(let name) = current.step { return name }
            path = current.parent
        }
        return ""
    }

    public var description: String {
        var steps: [Step] = []
        var path: ConfigPath? = self
        while let current = path {
            if let step = current.step { steps.append(step) }
            path = current.parent
        }
        var text = ""
        for step in steps.reversed() {
            switch step {
            case .key(let name):
                if !text.isEmpty { text += "." }
                text += name.contains(where: { $0 == "." || $0.isWhitespace }) ? "\"\(name)\"" : name
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }
}

/// A mark and a path: what an error needs to know about a value that is looked at again after decoding.
public struct ConfigPlace: Sendable {
    public var mark: ConfigMark
    public var path: ConfigPath

    public init(mark: ConfigMark, path: ConfigPath) {
        self.mark = mark
        self.path = path
    }

    public func key(_ name: String) -> ConfigPlace { ConfigPlace(mark: mark, path: path.key(name)) }
}
