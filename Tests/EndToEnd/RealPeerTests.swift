import Foundation
import MartletTesting
import Testing

/// Clients and servers that nobody here wrote.
@Suite("curl, Python and nginx on either side")
struct RealPeerTests {
    private static let folder = FileManager.default.temporaryDirectory

    private func curl(_ arguments: [String]) throws -> String {
        let result = try Tool.run("curl", ["-sS", "--max-time", "20"] + arguments)
        #expect(result.code == 0, "\(result.output)")
        return result.output
    }

    /// nginx on a free port, serving a folder and answering `/echo` with what it was sent.
    private final class Nginx {
        let port: UInt16
        let folder: URL
        private let tool: BackgroundTool

        init() throws {
            port = try TCPListener.freePort()
            folder = RealPeerTests.folder.appendingPathComponent("martlet-nginx-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let configuration = """
                daemon off; worker_processes 1; pid \(folder.path)/pid; error_log /dev/null;
                events { worker_connections 256; }
                http {
                  access_log off;
                  client_body_temp_path \(folder.path)/body; proxy_temp_path \(folder.path)/proxy;
                  fastcgi_temp_path \(folder.path)/fastcgi; uwsgi_temp_path \(folder.path)/uwsgi; scgi_temp_path \(folder.path)/scgi;
                  keepalive_requests 3;
                  server {
                    listen 127.0.0.1:\(port);
                    root \(folder.path);
                    location = /echo { return 200 "$request_method $request_uri $http_host $http_x_forwarded_for\n"; }
                    location = /empty { return 204; }
                    location = /gone { return 404 "gone\n"; }
                  }
                }
                """
            let file = folder.appendingPathComponent("nginx.conf")
            try configuration.write(to: file, atomically: true, encoding: .utf8)
            tool = try BackgroundTool("nginx", ["-p", folder.path, "-c", file.path])
            let port = self.port
            guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
                throw TestProxy.NotReady(description: "nginx did not start")
            }
        }

        deinit { try? FileManager.default.removeItem(at: folder) }
    }

    @Test("nginx upstream: ordinary, bodiless, ranged and missing answers, over connections it closes now and then")
    func nginx() throws {
        let nginx = try Nginx()
        let file = nginx.folder.appendingPathComponent("file")
        try String(repeating: "0123456789", count: 100_000).write(to: file, atomically: true, encoding: .utf8)
        let proxy = try TestProxy(listener: TestProxy.forwarding, rest: TestProxy.cluster(nginx.port))
        let url = "http://127.0.0.1:\(proxy.port)"
        #expect(try curl(["\(url)/echo?x=1"]) == "GET /echo?x=1 127.0.0.1:\(proxy.port) 127.0.0.1\n")
        #expect(try curl(["-o", "/dev/null", "-w", "%{http_code} %{size_download}", "\(url)/empty"]) == "204 0")
        #expect(try curl(["-w", "%{http_code}", "\(url)/gone"]) == "gone\n404")
        #expect(try curl(["-r", "10-19", "\(url)/file"]) == "0123456789")
        #expect(try curl(["-I", "\(url)/file"]).lowercased().contains("content-length: 1000000"))
        #expect(try curl(["-o", "/dev/null", "-w", "%{size_download}", "\(url)/file"]) == "1000000")
        // nginx closes each connection after three requests; no request may notice.
        let many = Array(repeating: ["-o", "/dev/null", "-w", "%{http_code}", "\(url)/file"], count: 20).flatMap { $0 }
        #expect(try curl(many) == String(repeating: "200", count: 20))
    }

    @Test("curl over IPv6 and a unix socket, and HTTP/1.0")
    func addresses() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let six = try TCPListener.freePort()
        let path = Self.folder.appendingPathComponent("martlet-\(UUID().uuidString.prefix(8)).sock").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let listener =
            TestProxy.forwarding
                + """

                  - name: six
                    address: "[::1]:\(six)"
                \(TestProxy.forwarding)
                  - name: local
                    address: unix:\(path)
                \(TestProxy.forwarding)
                """
        let proxy = try TestProxy(workers: 2, listener: listener, rest: TestProxy.cluster(upstream.port))
        #expect(try curl(["http://[::1]:\(six)/"]) == "ok")
        #expect(try curl(["--unix-socket", path, "http://local/"]) == "ok")
        #expect(try curl(["--http1.0", "http://127.0.0.1:\(proxy.port)/"]) == "ok")
        #expect(upstream.recorded.count == 3)
        #expect(upstream.recorded[0].contains("x-forwarded-for: ::1\r\n"))
        #expect(!upstream.recorded[1].contains("x-forwarded-for"))
    }

    @Test("curl uploads with a length, in chunks, and after 100-continue")
    func uploads() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let size = request.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n").utf8.count
            return "HTTP/1.1 200 OK\r\nContent-Length: \(String(size).utf8.count)\r\n\r\n\(size)"
        }
        let proxy = try TestProxy(upstream: upstream)
        let url = "http://127.0.0.1:\(proxy.port)/"
        let file = Self.folder.appendingPathComponent("martlet-upload-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try String(repeating: "x", count: 2_000_000).write(to: file, atomically: true, encoding: .utf8)
        #expect(try curl(["--data-binary", "@\(file.path)", url]) == "2000000")
        #expect(try curl(["-H", "Expect: 100-continue", "--data-binary", "@\(file.path)", url]) == "2000000")
        // In chunks the size counts their frames too.
        try String(repeating: "x", count: 100_000).write(to: file, atomically: true, encoding: .utf8)
        let chunked = try curl(["-H", "Transfer-Encoding: chunked", "--data-binary", "@\(file.path)", url])
        #expect((Int(chunked) ?? 0) > 100_000)
        #expect(upstream.recorded.allSatisfy { !$0.lowercased().contains("expect:") })
    }

    @Test("Python's http.client keeps one connection through every kind of answer")
    func python() throws {
        let nginx = try Nginx()
        let proxy = try TestProxy(listener: TestProxy.forwarding, rest: TestProxy.cluster(nginx.port))
        let script = """
            import http.client, sys
            c = http.client.HTTPConnection('127.0.0.1', \(proxy.port), timeout=20)
            for method, path in [('GET', '/echo'), ('HEAD', '/echo'), ('GET', '/empty'), ('POST', '/echo'), ('GET', '/gone')] * 10:
                c.request(method, path, body=b'x' * 10000 if method == 'POST' else None)
                r = c.getresponse(); body = r.read()
                print(r.status, len(body))
            print('reconnects', 0 if c.sock else 1)
            """
        let result = try Tool.run("python3", ["-c", script])
        #expect(result.code == 0, "\(result.output)")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 51)
        #expect(lines.filter { $0 == "204 0" }.count == 10)
        #expect(lines.filter { $0 == "404 5" }.count == 10)
        #expect(lines.last == "reconnects 0")
    }
}
