import MartletConfig
import Testing

@testable import MartletProxy

@Suite("When memory runs out")
struct OverloadTests {
    private func stages() throws -> OverloadStages {
        let diagnostics = ConfigDiagnostics()
        let config = try #require(
            ProxyConfig.parse(
                text: """
                    overload: { memory: { limit: 100MiB, hysteresis: 5% } }
                    listeners: [{ name: a, address: 127.0.0.1:1, filters: [router], routes: [] }]
                    """, file: "t.yaml", filters: ["router"], diagnostics: diagnostics), "\(diagnostics.errors)")
        return OverloadStages(try #require(config.overload.memory))
    }

    @Test("Each action begins at its share and ends well below it")
    func thresholds() throws {
        var stages = try stages()
        let keepAlive: OverloadActions = [.disableKeepAlive, .shrinkBuffers]
        let refusing: OverloadActions = [.disableKeepAlive, .shrinkBuffers, .closeIdle, .refuseConnections]
        let table: [(pressure: Double, active: OverloadActions)] = [
            (0, []), (0.849, []), (0.85, keepAlive), (0.80, keepAlive), (0.799, []), (0.84, []), (0.9, refusing),
            (0.86, refusing), (0.84, keepAlive), (0.96, refusing.union(.refuseRequests)),
            (0.91, refusing.union(.refuseRequests)), (0.89, refusing),
            (3, refusing.union([.refuseRequests, .resetStreams])),
            (0.94, refusing.union([.refuseRequests, .resetStreams])), (0.92, refusing.union(.refuseRequests)),
            (0.1, []),
        ]
        for (number, row) in table.enumerated() {
            #expect(stages.update(row.pressure) == row.active, "row \(number): \(row.pressure)")
        }
    }

    @Test("New thresholds do not forget what is active")
    func takesOver() throws {
        var old = try stages()
        _ = old.update(0.96)
        var new = try stages()
        new.takeOver(old)
        #expect(new.update(0.93).contains(.refuseRequests))
    }

    @Test("The limit of the control group, in every form the kernel writes it")
    func cgroups() {
        let huge = "9223372036854771712\n"
        let table: [(files: [String: String], limit: Int?)] = [
            ([:], nil),
            (["/proc/self/cgroup": "0::/\n"], nil),
            (["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"], nil),
            (["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "536870912\n"], 536_870_912),
            // The lowest on the way up.
            (
                [
                    "/proc/self/cgroup": "0::/pods/one\n", "/sys/fs/cgroup/pods/one/memory.max": "max\n",
                    "/sys/fs/cgroup/pods/memory.max": "1000000\n", "/sys/fs/cgroup/memory.max": "2000000\n",
                ], 1_000_000
            ),
            // A container that sees the host's path and only its own root.
            (
                ["/proc/self/cgroup": "0::/kubepods/pod7\n", "/sys/fs/cgroup/memory.max": "2000000\n"],
                2_000_000
            ),
            (
                [
                    "/proc/self/cgroup": "8:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
                    "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "300000\n",
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes": huge,
                ], 300_000
            ),
            (
                [
                    "/proc/self/cgroup": "4:memory:/\n",
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes": huge,
                ], nil
            ),
            (["/proc/self/cgroup": "nonsense\n::\n1:2\n"], nil),
        ]
        for (number, row) in table.enumerated() {
            #expect(CgroupMemory.limit { row.files[$0] } == row.limit, "row \(number)")
        }
    }

    @Test("Connections of the process: as many as may be, and their places come back")
    func connections() {
        let state = OverloadState(maxConnections: 2)
        #expect(state.takeConnection())
        #expect(state.takeConnection())
        #expect(!state.takeConnection())
        #expect(state.connections.open == 2)
        state.giveBackConnection()
        #expect(state.takeConnection())
        state.limitConnections(to: 1)
        state.giveBackConnection()
        #expect(!state.takeConnection())
        state.giveBackConnection()
        #expect(state.takeConnection())
    }
}
