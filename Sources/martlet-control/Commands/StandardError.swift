internal import Foundation

/// What is said to people, beside what a command prints.
enum StandardError {
    static func print(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
    }
}
