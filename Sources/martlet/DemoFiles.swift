internal import Foundation
internal import MartletNet

/// The demo's folder: what an operator would have written, ready to be edited.
struct DemoFiles {
    let directory: URL
    let proxy: URL
    let serviceV1: URL
    let serviceV2: URL
    private let policy: URL
    private let proxyPort: UInt16
    private let adminPort: UInt16

    init(proxyPort wanted: UInt16) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-demo-\(ProcessInfo.processInfo.processIdentifier)")
        proxy = directory.appendingPathComponent("martlet.yaml")
        serviceV1 = directory.appendingPathComponent("service-v1.yaml")
        serviceV2 = directory.appendingPathComponent("service-v2.yaml")
        policy = directory.appendingPathComponent("greeting.lua")
        proxyPort = FreePort.at(or: wanted)
        adminPort = FreePort.at(or: 9901)
        let v1 = FreePort.at(or: 0)
        let v2 = FreePort.at(or: 0)
        // One that is there may be another user's.
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try Self.service("v1", v1).write(to: serviceV1, atomically: true, encoding: .utf8)
        try Self.service("v2", v2).write(to: serviceV2, atomically: true, encoding: .utf8)
        try Self.greeting.write(to: policy, atomically: true, encoding: .utf8)
        try Self.mesh(proxyPort, adminPort, v1, v2).write(to: proxy, atomically: true, encoding: .utf8)
    }

    static func service(_ version: String, _ port: UInt16) -> String {
        """
        # The tiny service, \(version).
        listeners:
          - name: service
            address: 127.0.0.1:\(port)
            filters: [router]
            routes:
              - match: { path: { exact: /healthz } }
                respond: { status: 200, body: "ok\\n" }
              - match: { path: { prefix: / } }
                respond: { status: 200, body: "hello from \(version)\\n", headers: { content-type: text/plain } }

        """
    }

    static let greeting = """
        -- Runs for every request through the proxy. Edit and save: the next request runs the new text.
        local greeting = "hello"

        function on_request(handle)
          if handle:headers():get("x-team") == "intruders" then
            handle:respond({ [":status"] = "403" }, "not for intruders\\n")
          end
        end

        function on_response(handle)
          handle:headers():add("x-greeting", greeting)
        end

        """

    private static func mesh(_ port: UInt16, _ admin: UInt16, _ v1: UInt16, _ v2: UInt16) -> String {
        """
        # Nine requests in ten go to v1, one to v2; those with `x-canary: 1` all go to v2.
        admin: { address: 127.0.0.1:\(admin) }
        drain: { deadline: 2s }

        listeners:
          - name: public
            address: 127.0.0.1:\(port)
            filters:
              - lua: { policy: greeting }
              - router
            routes:
              - match: { path: { exact: /old } }
                redirect: { path: / }
              - match: { path: { prefix: / }, headers: [{ name: x-canary, exact: "1" }] }
                cluster: v2
              - match: { path: { prefix: / } }
                split: [{ cluster: v1, weight: 90 }, { cluster: v2, weight: 10 }]

        clusters:
          - name: v1
            endpoints: ["127.0.0.1:\(v1)"]
          - name: v2
            endpoints: ["127.0.0.1:\(v2)"]

        policies:
          - name: greeting
            file: greeting.lua

        """
    }

    /// What the terminal shows once everything runs.
    var invitation: String {
        """

        Two versions of a tiny service run behind http://127.0.0.1:\(proxyPort)/ (admin: http://127.0.0.1:\(adminPort)/).
        The configuration is \(proxy.path). Three things to try from another terminal:

          1. Nine answers in ten come from v1, one from v2:
             for i in $(seq 20); do curl -s http://127.0.0.1:\(proxyPort)/; done | sort | uniq -c

          2. The canary header always reaches v2, and the policy refuses intruders:
             curl -s -H 'x-canary: 1' http://127.0.0.1:\(proxyPort)/; curl -s -H 'x-team: intruders' http://127.0.0.1:\(proxyPort)/

          3. Edit the Lua policy while it runs, and see the next request change (x-greeting):
             sed -i 's/"hello"/"goodbye"/' \(policy.path); sleep 0.2; curl -si http://127.0.0.1:\(proxyPort)/ | grep x-greeting

        Press Ctrl-C to stop.


        """
    }
}

/// A port of 127.0.0.1 that nobody listens on just now.
enum FreePort {
    static func at(or wanted: UInt16) -> UInt16 {
        probe(wanted) ?? probe(0) ?? wanted
    }

    private static func probe(_ port: UInt16) -> UInt16? {
        guard let address = SocketAddress(ip: "127.0.0.1", port: port) else { return nil }
        do throws(SystemError) {
            try BoundSocket.requireFree(address)
            let bound = try BoundSocket(address, backlog: 1)
            return bound.address.port
        } catch {
            return nil
        }
    }
}
