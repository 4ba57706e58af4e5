public import Foundation

/// Programs that tests run: Martlet itself, and peers that the tests did not write.
public enum Tool {
    /// The executable that was built with the tests.
    public static var martlet: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("martlet")
    }

    /// Runs a program to its end; what it printed, errors included.
    /// - Parameter name: a path, or a name looked up as a shell would.
    public static func run(_ name: String, _ arguments: [String], input: String = "") throws -> (
        code: Int32, output: String
    ) {
        let process = Process()
        let output = Pipe()
        let source = Pipe()
        process.environment = Sanitizer.environment
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardInput = source
        process.standardOutput = output
        process.standardError = output
        try process.run()
        source.fileHandleForWriting.write(Data(input.utf8))
        try source.fileHandleForWriting.close()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

/// A program in the background that ends with this object.
public final class BackgroundTool: @unchecked Sendable {
    // Sendable because the process is set in `init` and only ended after.
    private let process = Process()
    private let signal: Int32

    /// - Parameter signal: what ends it. Children inherit a mask that keeps `SIGTERM` from those that do not set their own.
    public init(_ name: String, _ arguments: [String], endedBy signal: Int32 = SIGTERM) throws {
        self.signal = signal
        process.environment = Sanitizer.environment
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    public var processID: Int32 { process.processIdentifier }

    deinit {
        guard process.isRunning else { return }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
    }
}
