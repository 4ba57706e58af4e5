internal import Foundation

/// The folder of the demo with a control plane: what each process is started with, and what is applied.
struct MeshDemoFiles {
    let directory: URL
    let control: URL
    let mesh: URL
    let proxies: [URL]
    let services: [URL]
    /// Where operators come.
    let api: String
    private let policy: URL
    private let ports: [UInt16]

    private static let count = 3

    init(firstPort: UInt16) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-demo-\(ProcessInfo.processInfo.processIdentifier)")
        self.directory = directory
        func file(_ name: String, _ text: String) throws -> URL {
            let file = directory.appendingPathComponent(name)
            try text.write(to: file, atomically: true, encoding: .utf8)
            return file
        }
        // One that is there may be another user's.
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let (xds, operators) = (FreePort.at(or: 18000), FreePort.at(or: 18001))
        api = "http://127.0.0.1:\(operators)"
        ports = (0..<UInt16(Self.count)).map {
            FreePort.at(or: firstPort == 0 || firstPort > .max - $0 ? 0 : firstPort + $0)
        }
        let versions = ["v1", "v2"].map { ($0, FreePort.at(or: 0)) }
        services = try versions.map { try file("service-\($0).yaml", DemoFiles.service($0, $1)) }
        control = try file("control.yaml", Self.control(xds, operators))
        proxies = try (1...Self.count).map { number in
            try file("edge-\(number).yaml", Self.proxy(number, xds, FreePort.at(or: 9900 + UInt16(number))))
        }
        policy = try file("greeting.lua", DemoFiles.greeting)
        mesh = try file("mesh.yaml", Self.mesh(ports, versions.map(\.1)))
        _ = try file("failing.lua", Self.failing)
    }

    private static func control(_ xds: UInt16, _ api: UInt16) -> String {
        """
        # martlet-control run --config control.yaml
        xds: { address: 127.0.0.1:\(xds) }
        api: { address: 127.0.0.1:\(api) }
        store: { path: mesh.db }

        """
    }

    private static func proxy(_ number: Int, _ xds: UInt16, _ admin: UInt16) -> String {
        """
        # martlet run --config edge-\(number).yaml
        admin: { address: 127.0.0.1:\(admin) }
        drain: { deadline: 2s }
        control_plane: { cluster: mesh, node: { id: edge-\(number), cluster: edge } }
        clusters: [{ name: mesh, protocol: http2, endpoints: ["127.0.0.1:\(xds)"] }]

        """
    }

    private static func mesh(_ ports: [UInt16], _ services: [UInt16]) -> String {
        var text = """
            # One listener a proxy, for all three are on one machine; with machines of their own they share one.
            listeners:

            """
        for (index, port) in ports.enumerated() {
            text += """
                  - name: public-\(index + 1)
                    proxies: { ids: [edge-\(index + 1)] }
                    address: 127.0.0.1:\(port)
                    filters: [{ lua: { policy: greeting } }, router]
                    routes: [{ match: {}, split: [{ cluster: v1, weight: 90 }, { cluster: v2, weight: 10 }] }]

                """
        }
        return text + """
            clusters:
              - { name: v1, endpoints: ["127.0.0.1:\(services[0])"] }
              - { name: v2, endpoints: ["127.0.0.1:\(services[1])"] }
            policies:
              - { name: greeting, file: greeting.lua }

            """
    }

    private static let failing = """
        -- One response in twenty ends in an error: a rollout takes it back by itself.
        local seen = 0

        function on_response(handle)
          seen = seen + 1
          if seen % 20 == 0 then error("no greeting left") end
          handle:headers():add("x-greeting", "good day")
        end

        """

    /// What the terminal shows once everything runs.
    var invitation: String {
        let urls = ports.map { "http://127.0.0.1:\($0)/" }.joined(separator: " ")
        return """

            Three proxies run under one control plane: \(urls)
            What they do is in \(directory.path). To try from another terminal, there:

              cd \(directory.path); export MARTLET_CONTROL=\(api)

              1. Where every proxy is, and how its traffic does:
                 martlet status

              2. Edit the policy, see what would change, and apply it: all three greet anew, and no request is lost.
                 sed -i 's/"hello"/"goodbye"/' greeting.lua; martlet diff -f mesh.yaml; martlet apply -f mesh.yaml
                 curl -si \(urls) | grep x-greeting

              3. Give a version that fails on one proxy first, under some traffic, and see it taken back:
                 while sleep 0.02; do curl -s \(urls); done >/dev/null &
                 sed 's/greeting.lua/failing.lua/' mesh.yaml | martlet rollout start -f - --canary 1 --for 1m --watch
                 kill %1

              4. What happened, and the way back:
                 martlet log; martlet rollback --all --to 1

            Press Ctrl-C to stop.


            """
    }
}
