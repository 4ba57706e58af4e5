import Foundation
import MartletTesting
import Testing

/// Numbers by chance that are the same each time.
private struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}

@Suite("Retries whatever upstream does")
struct RetryChaosTests {
    /// An upstream that answers well, badly, late, early, in pieces or not at all.
    private static func upstream(_ seed: UInt64) throws -> ScriptedUpstream {
        try ScriptedUpstream { upstream, connection in
            var dice = Dice(state: seed &+ UInt64(upstream.accepted) &* 977)
            while true {
                if Int.random(in: 0..<12, using: &dice) == 0 {
                    // Without having read the request.
                    guard case .bytes = connection.receive() else { return }
                    try? connection.send("HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\nbad")
                    return
                }
                guard connection.nextRequest() != nil else { return }
                let answer: String
                switch Int.random(in: 0..<10, using: &dice) {
                case 0: return
                case 1: answer = "HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\nbad"
                case 2: answer = "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"
                case 3: answer = "HTTP/1.1 503 X\r\nConnection: close\r\n\r\nbad"
                case 4: answer = "HTTP/1.1 50"
                case 5:
                    answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
                case 6: answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
                case 7:
                    // Longer than a try may take.
                    _ = connection.receive(timeout: 40)
                    answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
                default: answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
                }
                // In two pieces, at a place that changes.
                let cut = answer.index(answer.startIndex, offsetBy: Int.random(in: 0..<answer.count, using: &dice))
                do {
                    try connection.send(String(answer[..<cut]))
                    try connection.send(String(answer[cut...]))
                } catch { return }
                if answer == "HTTP/1.1 50" || answer.contains("Connection: close") { return }
            }
        }
    }

    @Test("Every client gets one whole answer, and nothing is held afterwards", arguments: [false, true])
    func chaos(hedges: Bool) throws {
        let upstreams = try (1...3).map { try Self.upstream(UInt64($0)) }
        let endpoints = upstreams.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", ")
        let test = try TestProxy(
            workers: 2,
            listener: """
                    filters:
                      - retry:
                          on: [5xx]
                          attempts: 4
                          methods: [GET, POST]
                          per_try_timeout: 20ms
                          hedge_on_per_try_timeout: \(hedges)
                          backoff: { base: 1ms, max: 3ms }
                          buffer: 2KiB
                      - router
                    routes: [{ match: {}, cluster: up }]
                """,
            rest: "clusters:\n  - { name: up, endpoints: [\(endpoints)], load_balancing: random }\n",
            companions: upstreams)
        DispatchQueue.concurrentPerform(iterations: 8) { client in
            var dice = Dice(state: UInt64(client) &* 31 &+ 7)
            for _ in 0..<60 {
                let size = [0, 10, 1500, 5000].randomElement(using: &dice) ?? 0
                let body = String(repeating: "x", count: size)
                let head = size == 0 ? "GET / HTTP/1.1\r\n" : "POST / HTTP/1.1\r\nContent-Length: \(size)\r\n"
                guard let socket = try? test.connect() else { continue }
                try? socket.send(head + "Host: a\r\nConnection: close\r\n\r\n" + body)
                if Int.random(in: 0..<20, using: &dice) == 0 {
                    socket.reset()
                    continue
                }
                #expect(socket.receiveToEnd())
                let text = socket.text
                #expect(
                    text.hasPrefix("HTTP/1.1 200 ") || text.hasPrefix("HTTP/1.1 50")
                        || text.contains("HTTP/1.1 103 Early Hints"), "\(text)")
                let heads = text.replacing("HTTP/1.1 103 ", with: "").components(separatedBy: "HTTP/1.1 ").count - 1
                #expect(heads == 1, "\(text)")
                #expect(
                    text.hasSuffix("good") || text.hasSuffix("\r\n0\r\n\r\n") || text.contains("HTTP/1.1 50"), "\(text)"
                )
            }
        }
        let series = [
            "martlet_cluster_requests_active{cluster=\"up\"}", "martlet_requests_active{listener=\"public\"}",
            "martlet_endpoint_requests_active{cluster=\"up\",endpoint=\"127.0.0.1:\(upstreams[0].port)\"}",
        ]
        for name in series { #expect(try eventually { try test.metric(name) == "0" }, "\(name)") }
        #expect(test.isRunning)
    }
}
