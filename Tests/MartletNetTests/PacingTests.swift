import Foundation
import MartletCore
import Testing

@testable import MartletNet

@Suite("Congestion control of connections within the machine")
struct PacingTests {
    private static func congestionControl(_ socket: StreamSocket) -> String {
        var name = [UInt8](repeating: 0, count: 16)
        var size = socklen_t(name.count)
        let isKnown = unsafe getsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_CONGESTION, &name, &size) == 0
        return isKnown ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : "none"
    }

    @Test("Is Reno where the system's would pace, and the system's elsewhere", arguments: ["127.0.0.1", "0.0.0.0"])
    func loopback(host: String) throws {
        let system = try String(contentsOfFile: "/proc/sys/net/ipv4/tcp_congestion_control", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let within = system.hasPrefix("bbr") ? "reno" : system
        let loop = try EventLoop()
        let bound = try BoundSocket(try #require(SocketAddress(ip: host, port: 0)))
        let port = try #require(bound.address.port)
        var accepted: StreamSocket?
        let listener = try ListenerSocket(
            loop: loop, bound, starved: { _ in }, accepted: { socket, _ in accepted = socket })
        let near = try #require(SocketAddress(ip: host == "0.0.0.0" ? "127.0.0.1" : host, port: port))
        let dialled = try StreamSocket(loop: loop, connectingTo: near)
        for _ in 0..<100 where accepted == nil { loop.turn() }
        #expect(Self.congestionControl(dialled) == within)
        #expect(Self.congestionControl(try #require(accepted)) == (host == "0.0.0.0" ? system : within))
        dialled.close()
        accepted?.close()
        listener.close()
    }
}
