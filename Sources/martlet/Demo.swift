internal import ArgumentParser
internal import Foundation

/// Two versions of a tiny service, each a process of its own, and a proxy in front of them in this one; with `--mesh` two more
/// proxies, and a control plane that tells all three.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start two versions of a tiny service and a proxy in front, ready to try.")

    @Option(help: "Port of the proxy; another one when it is taken.")
    var port: UInt16 = 8080

    @Flag(help: "A control plane with three proxies. It needs martlet-control.")
    var mesh = false

    func run() throws {
        throw ExitCode(mesh ? try runMesh() : try runProxy())
    }

    private func runProxy() throws -> Int32 {
        let files = try DemoFiles(proxyPort: port)
        var services: [Process] = []
        defer {
            for service in services where service.isRunning { service.terminate() }
            for service in services { service.waitUntilExit() }
            try? FileManager.default.removeItem(at: files.directory)
        }
        let invitation = Data(files.invitation.utf8)
        return try Run.proxy(
            files.proxy.path, workers: nil,
            signalsBlocked: {
                // Foundation watches its processes from a thread.
                for file in [files.serviceV1, files.serviceV2] { services.append(try Self.start(file)) }
            },
            // Not by `print`, which keeps text for a pipe back until the end.
            ready: { try? FileHandle.standardOutput.write(contentsOf: invitation) })
    }

    private func runMesh() throws -> Int32 {
        guard let control = ControlPlaneProgram.path else {
            throw ValidationError(
                "\(ControlPlaneProgram.name) is neither beside this program nor in PATH: build it with `make control`")
        }
        let files = try MeshDemoFiles(firstPort: port)
        var processes: [Process] = []
        defer {
            for process in processes where process.isRunning { process.terminate() }
            for process in processes { process.waitUntilExit() }
            try? FileManager.default.removeItem(at: files.directory)
        }
        let invitation = Data(files.invitation.utf8)
        return try Run.proxy(
            files.proxies[0].path, workers: 1,
            signalsBlocked: {
                for file in files.services + files.proxies.dropFirst() { processes.append(try Self.start(file)) }
                processes.append(
                    try Self.start(control, ["run", "--config", files.control.path], in: files.directory))
                try apply(files, control)
            }, ready: { try? FileHandle.standardOutput.write(contentsOf: invitation) })
    }

    /// Once the control plane can be reached.
    private func apply(_ files: MeshDemoFiles, _ control: String) throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let apply = try Self.start(
                control, ["apply", "--server", files.api, "-f", files.mesh.path], in: files.directory)
            apply.waitUntilExit()
            if apply.terminationStatus == 0 { return }
            guard ContinuousClock.now < deadline else {
                throw ValidationError(
                    "the control plane does not start: try `\(control) run --config \(files.control.path)`")
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    private static func start(_ file: URL) throws -> Process {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
        return try start(own, ["run", "--config", file.path, "--workers", "1"], in: file.deletingLastPathComponent())
    }

    private static func start(_ program: String, _ arguments: [String], in folder: URL) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }
}
