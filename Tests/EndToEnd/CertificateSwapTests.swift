import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// `make soak` does the same a thousand times.
@Suite("Certificates and configurations that change under HTTP/2 load")
struct CertificateSwapTests {
    @Test("Fifty swaps and reloads: no stream fails")
    func swaps() throws {
        let forge = CertificateForge.shared
        let issued = [try forge.server(Wire.name), try forge.server(Wire.name, "other.test")]
        let serials = try issued.map { try CertificateFolder.serial($0) }
        let files = try CertificateFolder(issued[0])
        let origin = try NGHTTPD()
        func listener(_ round: Int) -> String {
            """
                tls: \(files.tls)
                filters: [{ headers: { response: { set: { x-round: "\(round)" } } } }, router]
                routes: [{ match: {}, cluster: up }]
            """
        }
        let rest = TestProxy.cluster(origin.port, "    protocol: http2")
        let proxy = try TestProxy(workers: 2, listener: listener(0), rest: rest)
        let isOver = Locked(false)
        let loads = Locked<[LoadCount?]>([])
        let port = proxy.port
        let done = Locked(false)
        Thread.detachNewThread {
            while !isOver.withLock({ $0 }) {
                let load = try? LoadCount(["-n", "2000", "-c", "4", "-m", "16", "https://127.0.0.1:\(port)/small"])
                loads.withLock { $0.append(load) }
            }
            done.withLock { $0 = true }
        }
        let kept = try TalkingTool(
            Origin.python, [Origin.script("kept_connections.py"), "\(port)", try Wire.authority(), Wire.name])
        #expect(try kept.ask("open h2") == "0 \(serials[0])")
        for round in 1...50 {
            try files.replace(with: issued[round % 2])
            try proxy.configure(listener: listener(round), rest: rest)
            #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
            #expect(try kept.ask("open h2").hasSuffix(" \(serials[round % 2])"), "round \(round)")
            #expect(try kept.ask("get 0 /small") == "200 hello")
        }
        isOver.withLock { $0 = true }
        #expect(eventually { done.withLock { $0 } })
        let counts = loads.withLock { $0 }
        #expect(counts.count > 0 && counts.allSatisfy { $0?.good == 2000 }, "\(counts.map { $0?.output ?? "" })")
        #expect(try kept.ask("told 0") == "nothing")
    }
}
