internal import ArgumentParser
internal import Foundation

/// Two versions of a tiny service, each a process of its own, and a proxy in front of them in this one.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start two versions of a tiny service and a proxy in front, ready to try.")

    @Option(help: "Port of the proxy; the next free one when it is taken.")
    var port: UInt16 = 8080

    func run() throws {
        let files = try DemoFiles(proxyPort: port)
        var services: [Process] = []
        defer {
            for service in services where service.isRunning { service.terminate() }
            for service in services { service.waitUntilExit() }
            try? FileManager.default.removeItem(at: files.directory)
        }
        let invitation = Data(files.invitation.utf8)
        let code = try Run.proxy(
            files.proxy.path, workers: nil,
            signalsBlocked: {
                // Foundation watches its processes from a thread.
                for file in [files.serviceV1, files.serviceV2] { services.append(try Self.start(file)) }
            },
            // Not by `print`, which keeps text for a pipe back until the end.
            ready: { try? FileHandle.standardOutput.write(contentsOf: invitation) })
        throw ExitCode(code)
    }

    private static func start(_ file: URL) throws -> Process {
        let service = Process()
        service.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        service.arguments = ["run", "--config", file.path, "--workers", "1"]
        service.standardOutput = FileHandle.nullDevice
        service.standardError = FileHandle.nullDevice
        try service.run()
        return service
    }
}
