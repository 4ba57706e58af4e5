import Foundation
import MartletTesting
import Testing

@Suite("No line of a log is lost in silence")
struct LogSinkTests {
    private static let listener = """
            filters: [router]
            routes: [{ match: {}, respond: { status: 204 } }]
        """

    private func listener(_ path: String) -> String {
        "    access_log: { path: '\(path)', format: '%REQ(:PATH)%' }\n" + Self.listener
    }

    /// A folder with a configuration that logs to `path`; `body` gets the configuration's path.
    private func withConfig(_ path: String, _ body: (URL, String) throws -> Void) throws {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("martlet-test-\(UUID().uuidString)")
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: folder) }
        let text = "listeners:\n  - name: public\n    address: 127.0.0.1:\(try TCPListener.freePort())\n"
        let file = folder.appendingPathComponent("martlet.yaml")
        try (text + listener(path)).write(to: file, atomically: true, encoding: .utf8)
        try body(folder, file.path)
    }

    @Test(
        "A log that cannot be written is a mistake in the configuration, in check and in run",
        arguments: [
            ("none/a.log", "/none/a.log\": No such file or directory (create the folder \""),
            ("martlet.yaml/a.log", "/martlet.yaml/a.log\": Not a directory (create the folder \""),
            ("../", "/../\": Is a directory (name a file in it, such as \""),
            ("/", "cannot write \"/\": Is a directory (name a file in it, such as \""),
        ])
    func refused(path: String, message: String) throws {
        try withConfig(path) { folder, file in
            for arguments in [["check", file], ["run", "--config", file]] {
                let (code, output) = try Tool.run(Tool.martlet.path, arguments)
                #expect(code == 1)
                #expect(output.contains("martlet.yaml:4:25: error: listeners[0].access_log.path: cannot write \""))
                #expect(output.contains(message), "\(output)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["martlet.yaml"])
        }
    }

    @Test("A check makes no file")
    func checkLeavesNothing() throws {
        try withConfig("a.log") { folder, file in
            let code = try Tool.run(Tool.martlet.path, ["check", file]).code
            #expect(code == 0)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left == ["martlet.yaml"])
        }
    }

    @Test("A reload to a log that cannot be opened is refused, and the old one goes on")
    func reloadRefused() throws {
        let proxy = try TestProxy(listener: listener("a.log"), rest: "")
        // Writable to look at, but no file can be made there.
        try proxy.configure(listener: listener("/proc/a.log"), rest: "")
        let answer = try proxy.admin("/reload", method: "POST")
        #expect(answer.hasPrefix("HTTP/1.1 422 "))
        #expect(answer.contains(#"cannot write \"/proc/a.log\""#))
        _ = try proxy.get("/still")
        #expect(eventually { read(proxy, "a.log") == "/still\n" })
    }

    private func read(_ proxy: TestProxy, _ name: String) -> String? {
        try? String(contentsOf: proxy.directory.appendingPathComponent(name), encoding: .utf8)
    }

    @Test("Lines that a full disk does not take are counted, and told once")
    func full() throws {
        let proxy = try TestProxy(listener: listener("/dev/full"), rest: "")
        for number in 1...3 {
            _ = try proxy.get("/")
            #expect(
                try eventually {
                    try proxy.metric("martlet_access_log_dropped_total{path=\"/dev/full\"}") == "\(number)"
                })
        }
        #expect(
            eventually {
                proxy.logged.components(separatedBy: "cannot write \"/dev/full\": No space left on device").count == 2
            })
    }

    @Test("A log's reader that goes away costs lines, which are counted, and not the proxy")
    func readerGone() throws {
        let proxy = try TestProxy(listener: Self.listener, rest: "")
        let path = proxy.directory.appendingPathComponent("pipe").path
        let made = unsafe mkfifo(path, 0o600)
        #expect(made == 0)
        let reader = unsafe open(path, O_RDONLY | O_NONBLOCK)
        #expect(reader >= 0)
        try proxy.configure(listener: listener("pipe"), rest: "")
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        close(reader)
        _ = try proxy.get("/")
        #expect(
            try eventually { try proxy.metric("martlet_access_log_dropped_total{path=\"\(path)\"}") == "1" })
    }

    @Test("Logs that no configuration in force names are closed behind their last line")
    func closed() throws {
        let proxy = try TestProxy(listener: listener("0.log"), rest: "")
        _ = try proxy.get("/0")
        #expect(eventually { read(proxy, "0.log") == "/0\n" })
        let open = { logs(of: proxy) }
        #expect(open() == ["0.log"])
        for number in 1...20 {
            try proxy.configure(listener: listener("\(number).log"), rest: "")
            #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
            _ = try proxy.get("/\(number)")
        }
        for number in 1...20 { #expect(eventually { read(proxy, "\(number).log") == "/\(number)\n" }) }
        #expect(eventually { open() == ["20.log"] })
    }

    /// Logs that the proxy has open.
    private func logs(of proxy: TestProxy) -> [String] {
        let files = FileManager.default
        let folder = "/proc/\(proxy.processID)/fd"
        let names = (try? files.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { try? files.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
            .filter { $0.hasSuffix(".log") }.map { String($0.split(separator: "/").last ?? "") }
    }
}
