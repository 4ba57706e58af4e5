public import Foundation
internal import MartletCore
internal import Synchronization

/// A proxy in a process of its own, with its configuration in a folder of its own. Ends with the object.
public final class TestProxy: @unchecked Sendable {
    // Sendable because everything here is set in `init`; `log` is behind its lock.
    private let process = Process()
    public let directory: URL
    public let port: UInt16
    public let adminPort: UInt16
    private let log = Locked("")
    /// Lives as long as the proxy: servers that a test does not look at itself.
    private let companions: [ScriptedUpstream]

    public struct NotReady: Error, CustomStringConvertible {
        public let description: String
        public init(description: String) { self.description = description }
    }

    /// - Parameters:
    ///   - listener: further lines of the one listener, indented by four spaces: filters, routes, limits.
    ///   - rest: top-level keys: clusters, policies.
    ///   - launcher: a command that starts the proxy, such as `prlimit --nofile=64`.
    ///   - options: of `martlet run`.
    ///   - companions: upstreams to keep alive with the proxy.
    public init(
        workers: Int = 1, listener: String, rest: String, files: [String: String] = [:], launcher: [String] = [],
        options: [String] = [], companions: [ScriptedUpstream] = []
    ) throws {
        self.companions = companions
        port = try TCPListener.freePort()
        adminPort = try TCPListener.freePort()
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        for (name, text) in files { try write(name, text) }
        try write("martlet.yaml", Self.text(port, adminPort, listener, rest))
        let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        process.environment = Sanitizer.environment
        let martlet = binary.appendingPathComponent("martlet")
        let command =
            launcher + [martlet.path, "run", "--config", file.path, "--workers", "\(workers)"] + options
        process.executableURL = launcher.isEmpty ? martlet : URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = Array(command.dropFirst(launcher.isEmpty ? 1 : 0))
        let output = Pipe()
        process.standardError = output
        process.standardOutput = FileHandle.nullDevice
        output.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let text = String(decoding: handle.availableData, as: UTF8.self)
            self?.log.withLock { $0 += text }
        }
        try process.run()
        guard eventually({ logged.contains(" ready: ") || !process.isRunning }), process.isRunning else {
            throw NotReady(description: "the proxy did not start: \(logged)")
        }
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(at: directory)
    }

    private static func text(_ port: UInt16, _ admin: UInt16, _ listener: String, _ rest: String) -> String {
        """
        admin: { address: 127.0.0.1:\(admin) }
        listeners:
          - name: public
            address: 127.0.0.1:\(port)
        \(listener)
        \(rest)
        """
    }

    public var file: URL { directory.appendingPathComponent("martlet.yaml") }
    public var processID: Int32 { process.processIdentifier }
    /// What it wrote to standard error.
    public var logged: String { log.withLock { $0 } }

    public func write(_ name: String, _ text: String) throws {
        try text.write(to: directory.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }

    /// Replaces the configuration; the proxy notices by itself.
    public func configure(listener: String, rest: String) throws {
        try write("martlet.yaml", Self.text(port, adminPort, listener, rest))
    }

    public func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    public var isRunning: Bool { process.isRunning }
    /// Waits for the process to end.
    public func exitCode() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    public func connect() throws -> TCPSocket { try TCPSocket(port: port) }

    /// Sends bytes and reads until the proxy closes. `finishes`: says that no more come; otherwise the proxy must close of
    /// its own accord.
    public func exchange(_ bytes: String, finishes: Bool = true) throws -> String {
        let client = try connect()
        try client.send(bytes)
        if finishes { client.finishSending() }
        client.receiveToEnd()
        return client.text
    }

    public func get(_ path: String, headers: String = "") throws -> String {
        try exchange("GET \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(headers)\r\n")
    }

    public func admin(_ path: String, method: String = "GET") throws -> String {
        let client = try TCPSocket(port: adminPort)
        try client.send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.receiveToEnd()
        return client.text
    }

    /// The value of a metric's series, as written; nil when it is not there.
    public func metric(_ series: String) throws -> String? {
        for line in try admin("/metrics").split(separator: "\n") where line.hasPrefix(series + " ") {
            return String(line.dropFirst(series.count + 1))
        }
        return nil
    }

    /// Open descriptors.
    public var descriptors: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd")) ?? []).count
    }

    /// Resident memory in KiB; 0 under a sanitizer, which holds freed memory back and keeps shadows of all of it.
    public var residentMemory: Int {
        if Sanitizer.isOn { return 0 }
        let text = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return Int(line.filter(\.isNumber)) ?? 0
    }

    /// A listener that forwards everything to the cluster `up`.
    public static let forwarding = """
            filters: [router]
            routes:
              - match: { path: { prefix: / } }
                cluster: up
        """

    /// The cluster `up` with one endpoint on a port of 127.0.0.1.
    public static func cluster(_ port: UInt16, _ more: String = "") -> String {
        """
        clusters:
          - name: up
            endpoints: ["127.0.0.1:\(port)"]
        \(more)
        """
    }

    public convenience init(upstream: ScriptedUpstream) throws {
        try self.init(listener: Self.forwarding, rest: Self.cluster(upstream.port), companions: [upstream])
    }
}
