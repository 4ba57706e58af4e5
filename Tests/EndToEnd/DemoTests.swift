import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

// One after the other: two demos that look for free ports at once may find the same.
@Suite("The demo leaves nothing behind", .serialized)
struct DemoTests {
    /// What a process writes to a pipe.
    private final class Output: Sendable {
        private let text = Locked("")
        var value: String { text.withLock { $0 } }
        func add(_ data: Data) { text.withLock { $0 += String(decoding: data, as: UTF8.self) } }
    }

    private func start(_ output: Output) throws -> Process {
        let demo = Process()
        let pipe = Pipe()
        demo.executableURL = Tool.martlet
        demo.arguments = ["demo", "--port", "0"]
        demo.standardOutput = pipe
        demo.standardError = FileHandle.nullDevice
        pipe.fileHandleForReading.readabilityHandler = { output.add($0.availableData) }
        try demo.run()
        return demo
    }

    /// What stands between two texts.
    private func part(_ text: String, after start: String, before end: String) -> String? {
        guard let from = text.range(of: start), let to = text[from.upperBound...].range(of: end) else { return nil }
        return String(text[from.upperBound..<to.lowerBound])
    }

    @Test(
        "It invites into a pipe too, and a signal ends its services and removes its folder",
        arguments: [SIGTERM, SIGINT])
    func signal(number: Int32) throws {
        let output = Output()
        let demo = try start(output)
        defer { if demo.isRunning { kill(demo.processIdentifier, SIGKILL) } }
        #expect(eventually { output.value.contains("Press Ctrl-C") })
        let file = try #require(part(output.value, after: "The configuration is ", before: ". Three"))
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        defer { try? FileManager.default.removeItem(at: folder) }
        let ports = try ["service-v1.yaml", "service-v2.yaml"].map { name in
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            return try #require(part(text, after: "address: 127.0.0.1:", before: "\n").flatMap { UInt16($0) })
        }
        for port in ports { #expect(eventually { (try? TCPSocket(port: port)) != nil }) }
        kill(demo.processIdentifier, number)
        demo.waitUntilExit()
        #expect(demo.terminationReason == .exit)
        #expect(demo.terminationStatus == 0)
        for port in ports { #expect((try? TCPSocket(port: port)) == nil) }
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }
}
