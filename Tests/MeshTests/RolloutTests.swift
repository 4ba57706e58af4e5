import Foundation
import MartletTesting
import Testing

@Suite("Rollouts on real proxies under load")
struct MeshRolloutTests {
    @Test("A canaried policy that errs on 5% of requests is taken back by itself, having touched its share alone")
    func rolledBack() throws {
        let shop = try Shop()
        try shop.control.write("new.yaml", Shop.failing)
        let started = try shop.control.martlet(
            "rollout", "start", "-f", "new.yaml", "--canary", "1", "--canary", "100%", "--for", "60s", "--watch")
        #expect(started.code == 1 && started.output.contains("rolled back: policy \"team\" errs: "), "\(started)")
        let rollout = try shop.control.ask("GET", "/v1/namespaces/default/rollout")
        #expect(rollout["state"] == "rolled_back" && rollout["stage"] == "1", "\(rollout)")
        let settled = try shop.control.martlet("status", "--wait", "60")
        #expect(settled.code == 0, "\(settled)")
        // Who has run it tells of its errors; that is one proxy.
        let erred = try zip(Shop.ids, shop.proxies).filter { id, proxy in
            let series = "martlet_policy_errors_total{listener=\"public-\(id)\",policy=\"team\"}"
            return Int(try proxy.metric(series) ?? "") ?? 0 > 0
        }
        #expect(erred.count == 1)
        for port in shop.ports { #expect(try shop.team(port) == "old") }
        #expect(shop.stop() == 0)
        let log = try shop.control.martlet("log")
        #expect(log.output.contains("martlet-control") && log.output.contains("rollout rolled back"), "\(log)")
    }

    @Test("Shadow, canary, all: in one command, over a control plane that is killed meanwhile")
    func promoted() throws {
        let shop = try Shop()
        try shop.control.write("new.yaml", Shop.sound)
        let started = try shop.control.martlet(
            "rollout", "start", "-f", "new.yaml", "--shadow", "1", "--canary", "1", "--for", "2s", "--min-requests",
            "20", "-m", "a new team")
        #expect(started.code == 0 && started.output.contains("> shadow 1 for 2s"), "\(started)")
        shop.control.kill()
        try shop.control.start()
        let watched = try shop.control.martlet("rollout", "status", "--watch")
        #expect(watched.code == 0 && watched.output.contains("promoted: stage 2 of 2 was good"), "\(watched)")
        for port in shop.ports {
            let isNew = try eventually { try shop.team(port) == "new" }
            #expect(isNew)
        }
        #expect(shop.stop() == 0)
    }

    @Test("promote and abort are an operator's, too")
    func byHand() throws {
        let shop = try Shop()
        #expect(try shop.control.martlet("rollout", "status").code == 1)
        try shop.control.write("new.yaml", Shop.sound)
        let started = try shop.control.martlet("rollout", "start", "-f", "new.yaml", "--canary", "2", "--for", "1h")
        #expect(started.code == 0, "\(started)")
        let hasTwo = try eventually { try shop.ports.filter { try shop.team($0) == "new" }.count == 2 }
        #expect(hasTwo)
        let other = try shop.control.martlet("rollout", "start", "-f", "new.yaml")
        #expect(other.code == 3 && other.output.contains("under way"), "\(other)")
        let aborted = try shop.control.martlet("rollout", "abort", "-m", "second thoughts")
        #expect(aborted.code == 0 && aborted.output.contains("aborted: second thoughts"), "\(aborted)")
        let isBack = try eventually { try shop.ports.allSatisfy { try shop.team($0) == "old" } }
        #expect(isBack)

        #expect(try shop.control.martlet("rollout", "start", "-f", "new.yaml", "--for", "1h").code == 0)
        let promoted = try shop.control.martlet("rollout", "promote")
        #expect(promoted.code == 0 && promoted.output.contains("promoted: by local"), "\(promoted)")
        let isEverywhere = try eventually { try shop.ports.allSatisfy { try shop.team($0) == "new" } }
        #expect(isEverywhere)
        #expect(try shop.control.martlet("rollout", "promote").code == 1)
        let mistake = try shop.control.martlet("rollout", "start", "-f", "new.yaml", "--canary", "some")
        #expect(mistake.code == 1 && mistake.output.contains("stages[0].share"), "\(mistake)")
        #expect(shop.stop() == 0)
    }
}
