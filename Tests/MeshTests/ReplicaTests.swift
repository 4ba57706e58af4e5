import Foundation
import MartletTesting
import Testing

@Suite("A control plane of several processes, asked as one")
struct ReplicaTests {
    private func shop(_ etcd: EtcdProcess) throws -> Shop {
        try Shop(store: "{ etcd: { endpoints: [\"127.0.0.1:\(etcd.port)\"] } }", processes: 2)
    }

    /// Which process serves whom, as one of them says.
    private func served(_ control: ControlProcess) throws -> [String: String] {
        let answer = try control.ask("GET", "/v1/proxies")
        let count = Int(answer["proxies"].split(separator: " ").first ?? "") ?? 0
        return Dictionary(
            (0..<count).map { (answer["proxies.\($0).id"], answer["proxies.\($0).replica"]) }, uniquingKeysWith: { $1 })
    }

    @Test(
        "Each tells of all proxies, and whose they are; one that hangs is missed, and its proxies come over when it is gone"
    )
    func status() throws {
        let etcd = try EtcdProcess()
        let shop = try shop(etcd)
        let (one, other) = (shop.controls[0], shop.controls[1])
        // Which one a proxy goes to first is chance.
        let apis = [one.api, other.api]
        for control in shop.controls {
            let tellsOfAll = try eventually {
                let served = try served(control)
                return served.keys.sorted() == Shop.ids && served.values.allSatisfy { apis.contains($0) }
            }
            #expect(tellsOfAll)
            let status = try control.martlet("status")
            #expect(status.code == 0 && status.output.contains("REPLICA"), "\(status)")
            for api in Set(try served(control).values) { #expect(status.output.contains(api), "\(status)") }
        }
        let answer = try other.ask("GET", "/v1/proxies")
        #expect(answer["replicas"] == "2 items" && answer["replicas.0.url"] == other.api, "\(answer)")
        #expect([answer["replicas.0.leader"], answer["replicas.1.leader"]].sorted() == ["0", "1"], "\(answer)")
        // What a change would do to the proxies of another process is known, too.
        try one.write("new.yaml", Shop.sound)
        let plan = try other.martlet("diff", "-f", one.folder.appendingPathComponent("new.yaml").path)
        for id in Shop.ids { #expect(plan.output.contains("proxy \(id), "), "\(plan)") }
        // It hangs, and is missed; then it is gone.
        Glibc.kill(try #require(one.processID), SIGSTOP)
        let isMissed = try eventually {
            try other.martlet("status").output.contains("replica \(one.api) does not answer")
        }
        #expect(isMissed)
        one.kill()
        // Their proxies come over, and etcd forgets it.
        let isWhole = try eventually {
            let answer = try other.ask("GET", "/v1/proxies")
            return answer["proxies"] == "3 items" && answer["replicas"] == "1 items"
                && answer["replicas.0.leader"] == "1"
        }
        #expect(isWhole)
        #expect(shop.stop() == 0)
    }

    @Test("A rollout over proxies of both is judged by the one that leads, and by the other when that is killed")
    func rollout() throws {
        let etcd = try EtcdProcess()
        let shop = try shop(etcd)
        let answer = try shop.control.ask("GET", "/v1/proxies")
        let leads = answer["replicas.0.leader"] == "1"
        let (leader, other) = leads ? (shop.controls[0], shop.controls[1]) : (shop.controls[1], shop.controls[0])
        try other.write("new.yaml", Shop.failing)
        // By the one that does not watch it, on proxies of both.
        let failed = try other.martlet(
            "rollout", "start", "-f", "new.yaml", "--canary", "100%", "--for", "60s", "--watch")
        #expect(failed.code == 1 && failed.output.contains("rolled back: policy \"team\" errs: "), "\(failed)")

        try other.write("new.yaml", Shop.sound)
        let started = try other.martlet(
            "rollout", "start", "-f", "new.yaml", "--canary", "2", "--for", "12s", "--min-requests", "20")
        #expect(started.code == 0, "\(started)")
        let isWatched = try eventually { try other.martlet("rollout", "status").output.contains("good so far") }
        #expect(isWatched)
        leader.kill()
        // It was not over by then.
        #expect(try other.ask("GET", "/v1/namespaces/default/rollout")["state"] == "running")
        let watched = try other.martlet("rollout", "status", "--watch")
        #expect(watched.code == 0 && watched.output.contains("promoted: stage 1 of 1 was good"), "\(watched)")
        for port in shop.ports {
            let isNew = try eventually { try shop.team(port) == "new" }
            #expect(isNew)
        }
        #expect(shop.stop() == 0)
    }

    @Test("A process that answers at another's address is not taken for it")
    func impostor() throws {
        let etcd = try EtcdProcess()
        let store = "{ etcd: { endpoints: [\"127.0.0.1:\(etcd.port)\"] } }"
        let one = try ControlProcess(store: store).start()
        // Without tokens it lets anybody in, itself too.
        let other = try ControlProcess(store: store, rest: "replica: { url: \"\(one.api)\" }").start()
        let isSeen = try eventually { try one.ask("GET", "/v1/proxies")["replicas"] == "2 items" }
        #expect(isSeen)
        let answer = try one.ask("GET", "/v1/proxies")
        #expect(answer["replicas.1.url"] == one.api && answer["replicas.1.answers"] == "0", "\(answer)")
        let isTold = eventually { one.said.contains("another process answers there") }
        #expect(isTold)
        #expect(try other.ask("GET", "/v1/proxies")["replicas.1.answers"] == "1")
    }

    @Test("What replicas ask of each other is for no stranger, and for no tenant")
    func strangers() throws {
        let etcd = try EtcdProcess()
        let store = "{ etcd: { endpoints: [\"127.0.0.1:\(etcd.port)\"] } }"
        let controls = try (0..<2).map { _ in
            try ControlProcess(api: ControlProcess.guarded, store: store).start()
        }
        for token in [nil, "wrong-token-0123456789"] {
            #expect(try controls[0].ask("GET", "/v1/replica", token: token).status == 401)
        }
        let tenant = ControlProcess.tokens["shopkeeper"]
        #expect(try controls[0].ask("GET", "/v1/replica", token: tenant).status == 403)
        let admin = ControlProcess.tokens["admin"]
        #expect(try controls[0].ask("GET", "/v1/replica", token: admin).status == 200)
        // They let each other in by tokens of their own.
        let areKnown = try eventually {
            let answer = try controls[0].ask("GET", "/v1/proxies", token: admin)
            return answer["replicas"] == "2 items" && answer["replicas.1.answers"] == "1"
        }
        #expect(areKnown)
    }
}
