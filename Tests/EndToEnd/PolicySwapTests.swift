import Foundation
import MartletTesting
import Testing

@Suite("Policies are swapped under load")
struct PolicySwapTests {
    @Test("500 versions: no request fails, shared counts are exact to the last request, memory stays")
    func swaps() throws {
        func script(_ version: Int) -> String {
            """
            local counts = shared("counts")
            local padding = ("x"):rep(1000)
            function on_request(handle)
              counts:incr("all")
              handle:context().began = \(version)
            end
            function on_response(handle)
              -- An exchange ends on the version that it began with.
              counts:incr(handle:context().began == \(version) and "whole" or "torn")
              handle:headers():replace("x-version", \(version))
              handle:headers():replace("x-all", counts:get("all"))
              handle:headers():replace("x-torn", counts:get("torn") or 0)
            end
            """
        }
        let test = try PolicyProxy(script(0), workers: 2)
        let loads = (0..<4).map { _ in SteadyLoad(test.proxy) }
        var settled = 0
        var asked = 0
        for version in 1...500 {
            try test.proxy.write("p.lua", script(version))
            #expect(try test.proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
            if version % 10 == 0 {
                asked += 1
                #expect(try test.proxy.get("/").contains("x-version: \(version)\r\n"))
            }
            if version == 100 { settled = test.proxy.residentMemory }
        }
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
        let all = loads.reduce(asked + 1) { $0 + $1.sent }
        let answer = try test.proxy.get("/")
        #expect(answer.contains("x-all: \(all)\r\n"), "\(all) requests, \(answer)")
        #expect(answer.contains("x-torn: 0\r\n"))
        // Flat: what one version holds would show 400 times.
        #expect(test.proxy.residentMemory - settled < 12 << 10, "\(settled) KiB, then \(test.proxy.residentMemory)")
        // Versions whose exchanges are over are gone.
        func live() throws -> Int { try test.proxy.admin("/policies").components(separatedBy: "\"version\"").count - 1 }
        let isGone = try eventually { try live() == 1 }
        let count = try live()
        let text = try test.proxy.admin("/policies")
        #expect(isGone, "\(count) versions \(text)")
    }
}
