internal import Foundation
internal import MartletCore
internal import Synchronization

/// A program in the background that answers each line it is sent with one of its own. Ends with this object.
public final class TalkingTool: @unchecked Sendable {
    // Sendable because the process is set in `init`, and what it prints is behind its lock.
    private let process = Process()
    private let input = Pipe()
    private let printed = Locked("")

    public init(_ name: String, _ arguments: [String]) throws {
        let output = Pipe()
        process.environment = Sanitizer.environment
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        output.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let text = String(decoding: handle.availableData, as: UTF8.self)
            self?.printed.withLock { $0 += text }
        }
        try process.run()
    }

    deinit {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// The line that answers this one; what there is when the program ends, or patience does.
    public func ask(_ line: String) throws -> String {
        say(line)
        return answer()
    }

    public var processID: Int32 { process.processIdentifier }

    /// All that it has printed and nobody has read.
    public var said: String { printed.withLock { $0 } }

    /// Asks the program to end, and waits for that; its exit code. Nil: it does not.
    public func end() -> Int32? {
        kill(process.processIdentifier, SIGTERM)
        guard eventually({ !process.isRunning }) else { return nil }
        return process.terminationStatus
    }

    /// Sends a line whose answer `answer` waits for.
    public func say(_ line: String) {
        // A program that has ended has no answer, which is what the test finds out.
        guard process.isRunning else { return }
        try? input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    }

    /// The next line that it prints.
    public func answer() -> String {
        var line: String?
        _ = eventually {
            line = printed.withLock { text in
                guard let end = text.firstIndex(of: "\n") else { return nil }
                let line = String(text[..<end])
                text = String(text[text.index(after: end)...])
                return line
            }
            return line != nil || !process.isRunning
        }
        return line ?? printed.withLock { $0 }
    }
}
