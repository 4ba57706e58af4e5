import Foundation
import MartletTesting

/// A client that waits for an answer until it gives up, as programs do that are killed.
final class WaitingClient {
    private let socket: TCPSocket?
    private var curl: BackgroundTool?

    init(_ wire: Wire, _ proxy: TestProxy, _ path: String) throws {
        guard wire.downstream == .http1 else {
            socket = nil
            curl = try BackgroundTool(
                "curl", try wire.curl(proxy.port) + [wire.url(proxy.port, path)], endedBy: SIGKILL)
            return
        }
        // A client of HTTP/1.1 in clear text that only ends its sending may still read: it takes a reset.
        let socket = try proxy.connect()
        try socket.send("GET \(path) HTTP/1.1\r\nHost: \(Wire.name)\r\n\r\n")
        self.socket = socket
    }

    func giveUp() {
        socket?.reset()
        curl = nil
    }
}
