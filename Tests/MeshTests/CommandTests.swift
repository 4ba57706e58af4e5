import Foundation
import MartletTesting
import Testing

@Suite("Commands for a mesh")
struct CommandTests {
    private static let policy = "function on_request(h) h:headers():add('x-team', h:config().team or 'red') end\n"
    private static let tests = """
        tests:
          - name: the team is told
            expect: { upstream: { headers: { x-team: red } } }

        """

    private static func listener(_ port: UInt16) -> String {
        """
        listeners:
          - name: public
            address: 127.0.0.1:\(port)
            filters: [{ lua: { policy: team } }, router]
            routes: [{ match: {}, cluster: api }]

        """
    }

    @Test("apply, get, diff, history, log, rollback, delete, with their exit codes")
    func work() throws {
        let control = try ControlProcess().start()
        try control.write("mesh/clusters.yaml", ControlProcess.cluster("api"))
        try control.write("mesh/public.yaml", Self.listener(try TCPListener.freePort()))
        try control.write("Filters/team/policy.lua", Self.policy)
        try control.write("Filters/team/tests.yaml", Self.tests)

        let planned = try control.martlet("diff", "-f", "mesh", "Filters/team")
        #expect(planned.code == 1 && planned.output.contains("+++ default/policies/team (then)"), "\(planned)")
        let applied = try control.martlet("apply", "-f", "mesh", "-f", "Filters/team", "-m", "first")
        #expect(applied.code == 0 && applied.output.hasSuffix("policies/team created\nrevision 1\n"), "\(applied)")
        let same = try control.martlet("diff", "-f", "mesh", "Filters/team")
        #expect(same.code == 0 && same.output == "nothing would change\n", "\(same)")

        try control.write("mesh/clusters.yaml", ControlProcess.cluster("api", port: 9001))
        let difference = try control.martlet("diff", "-f", "mesh/clusters.yaml")
        #expect(difference.code == 1, "\(difference)")
        #expect(
            difference.output.contains("-      - \"127.0.0.1:9000\"\n+      - \"127.0.0.1:9001\"\n"), "\(difference)")
        #expect(
            try control.martlet("apply", "-f", "-", input: ControlProcess.cluster("api", port: 9001)).output
                == "clusters/api updated\nrevision 2\n")

        #expect(try control.martlet("get", "cluster", "api").output.contains("9001"))
        #expect(try control.martlet("get", "cluster", "api", "--revision", "1").output.contains("9000"))
        let all = try control.martlet("get", "-o", "yaml")
        try control.write("all.yaml", all.output)
        let again = try control.martlet("apply", "-f", "all.yaml")
        #expect(again.code == 0 && again.output.hasSuffix("revision 2\n"), "\(again)")
        let history = try control.martlet("history", "cluster", "api").output.split(separator: "\n")
        #expect(history.count == 3 && history[2].hasSuffix("first"), "\(history)")
        #expect(try control.martlet("log").output.contains("policies/team"))
        #expect(try control.martlet("audit").output.contains("applyDocuments"))

        let back = try control.martlet("rollback", "cluster", "api", "--to", "1")
        #expect(back.output == "clusters/api updated\nrevision 3\n", "\(back)")
        let needed = try control.martlet("delete", "cluster", "api")
        #expect(needed.code == 1 && needed.output.contains("error: "), "\(needed)")
        let gone = try control.martlet("delete", "-f", "mesh", "-m", "over")
        #expect(gone.code == 0 && gone.output.contains("listeners/public deleted"), "\(gone)")
        #expect(try control.martlet("rollback", "--all", "--to", "2").code == 0)
    }

    @Test("A policy whose tests fail is refused, as is what names files that are not there")
    func mistakes() throws {
        let control = try ControlProcess().start()
        try control.write("Filters/team/policy.lua", Self.policy)
        try control.write("Filters/team/tests.yaml", Self.tests.replacing("red", with: "blue"))
        let failing = try control.martlet("apply", "-f", "Filters/team")
        #expect(failing.code == 1 && failing.output.contains("Filters/team/tests.yaml:2:"), "\(failing)")
        #expect(failing.output.contains("blue"), "\(failing)")
        try control.write("mesh.yaml", "policies:\n  - { name: team, file: nowhere.lua }\n")
        let missing = try control.martlet("apply", "-f", "mesh.yaml")
        #expect(missing.code == 1 && missing.output.hasPrefix("mesh.yaml:2:"), "\(missing)")
        #expect(missing.output.contains("cannot read \"nowhere.lua\": No such file"), "\(missing)")
        try control.write("mesh.yaml", "workers: 2\n" + ControlProcess.cluster("api"))
        let own = try control.martlet("apply", "-f", "mesh.yaml")
        #expect(
            own.code == 1 && own.output.contains("mesh.yaml:1:") && own.output.contains("the proxy itself"), "\(own)")
        let wrong = try control.martlet(
            "apply", "-f", "-", input: "clusters: [{ name: api, endpoints: [\"10.0.0.1\"] }]\n")
        #expect(wrong.code == 1 && wrong.output.hasPrefix("standard input:1:"), "\(wrong)")
        #expect(try control.martlet("get").output.split(separator: "\n").count == 1)
    }

    @Test("What files name goes along: certificates, keys, the keys of filters")
    func attachments() throws {
        let control = try ControlProcess().start()
        let certificate = try Tool.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=shop.example.com", "-keyout", control.folder.appendingPathComponent("shop.key").path,
                "-out", control.folder.appendingPathComponent("shop.pem").path,
            ])
        #expect(certificate.code == 0)
        try control.write("keys/team-a", "a-key-that-is-long-enough\n")
        try control.write(
            "mesh.yaml",
            """
            listeners:
              - name: public
                address: 127.0.0.1:\(try TCPListener.freePort())
                tls: { certificate: shop.pem, private_key: shop.key }
                filters: [{ api_key: { header: x-api-key, keys: [{ key_file: keys/team-a, client: team-a }] } }, router]
                routes: [{ match: {}, respond: { status: 200 } }]
            """)
        let applied = try control.martlet("apply", "-f", "mesh.yaml")
        #expect(applied.code == 0, "\(applied)")
        let shown = try control.martlet("get", "listener", "public", "-o", "json").output
        #expect(!shown.contains("PRIVATE KEY") && !shown.contains("a-key-that-is"), "\(shown)")
    }

    @Test("status: a real proxy, waited for, and one that is told nothing good")
    func status() throws {
        let control = try ControlProcess().start()
        let port = try TCPListener.freePort()
        let upstream = try ScriptedUpstream.answering("hello")
        let mesh = """
            listeners: [{ name: public, address: 127.0.0.1:\(port), filters: [router], routes: [{ match: {}, cluster: api }] }]
            clusters: [{ name: api, endpoints: ["127.0.0.1:\(upstream.port)"] }]

            """
        #expect(try control.martlet("apply", "-f", "-", input: mesh).code == 0)
        let proxy = try BackgroundTool(
            Tool.martlet.path,
            [
                "run", "--control-plane", control.xds, "--node", "edge-1", "--admin-address", "127.0.0.1:0",
                "--workers", "1",
            ])
        defer { withExtendedLifetime(proxy) {} }
        #expect(try eventually { try control.martlet("status").output.contains("edge-1") })
        let waited = try control.martlet("status", "--wait", "20")
        #expect(waited.code == 0 && waited.output.contains("synced"), "\(waited)")
        let one = try control.martlet("status", "edge-1")
        #expect(one.code == 0 && one.output.contains("Listener"), "\(one)")
        #expect(try control.martlet("status", "edge-2").code == 1)
        let moved = try control.martlet(
            "diff", "-f", "-", input: mesh.replacing(":\(port)", with: ":\(try TCPListener.freePort())"))
        #expect(moved.output.contains("proxy edge-1, namespace default:"), "\(moved)")
        #expect(moved.output.contains("connections of listener public would drain"), "\(moved)")
    }

    @Test("Exit codes of usage, of strangers and of silence")
    func exits() throws {
        let control = try ControlProcess(api: ControlProcess.guarded).start()
        #expect(try control.martlet("get").code == 4)
        #expect(try control.martlet("get", "--token-file", "reader.token").code == 0)
        let forbidden = try control.martlet(
            "apply", "--token-file", "reader.token", "-f", "-", input: ControlProcess.cluster("api"))
        #expect(forbidden.code == 4 && forbidden.output.contains("role write"), "\(forbidden)")
        for arguments in [
            ["get", "clusterz"], ["apply"], ["rollback", "--to", "1"], ["get", "--nope"], ["status", "--wait", "x"],
        ] {
            let result = try Tool.run(Tool.martlet.path, arguments)
            #expect(result.code == 2, "\(arguments): \(result)")
        }
        let nobody = try Tool.run(
            Tool.martlet.path, ["get", "--server", "http://127.0.0.1:\(try TCPListener.freePort())"])
        #expect(nobody.code == 4 && nobody.output.contains("cannot reach"), "\(nobody)")
        for port in [9000, 9001] {
            let input = ControlProcess.cluster("api", port: port)
            #expect(try control.martlet("apply", "--token-file", "writer.token", "-f", "-", input: input).code == 0)
        }
        let late = try control.martlet(
            "apply", "--token-file", "writer.token", "--expected", "1", "-f", "-", input: ControlProcess.cluster("api"))
        #expect(late.code == 3, "\(late)")
    }

    @Test("martlet without martlet-control says what is missing, and lists the commands")
    func alone() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-alone-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let copy = folder.appendingPathComponent("martlet")
        try FileManager.default.copyItem(at: Tool.martlet, to: copy)
        let result = try Tool.run("env", ["PATH=/nowhere", copy.path, "apply", "-f", "x"])
        #expect(result.code == 127 && result.output.contains("martlet-control"), "\(result)")
        let help = try Tool.run(Tool.martlet.path, ["--help"]).output
        #expect(help.lowercased().contains("mesh (martlet-control)") && help.contains("rollback"), "\(help)")
        #expect(try Tool.run(Tool.martlet.path, ["apply", "--help"]).output.contains("--dry-run"))
        #expect(try Tool.run(Tool.martlet.path, ["help", "apply"]).output.contains("--dry-run"))
    }
}
