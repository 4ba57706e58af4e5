internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// Connections that carry a client's bytes. Each is dialled for one client and closed with it, so nobody waits for one of them
/// to be free: beyond `max_connections` a client is refused at once.
extension WorkerCluster {
    enum Dial {
        case dialling(TCPUpstream)
        case refused(ConnectionRefusal)
    }

    /// - Parameter header: what the endpoint is to get before everything else.
    func dial(for chooser: any EndpointChooser, header: ProxyHeader?, owner: any TCPUpstreamOwner) -> Dial {
        runtime.sawTraffic()
        guard isAdmitted() else { return .refused(.circuitOpen) }
        guard let endpoint = endpoint(for: chooser) else { return .refused(.noHealthyUpstream) }
        guard runtime.limits.pending.take() else {
            refused(.pending)
            return .refused(.overflow(.pending))
        }
        guard runtime.limits.connections.take() || (dropIdle() && runtime.limits.connections.take()) else {
            runtime.limits.pending.giveBack()
            refused(.connections)
            return .refused(.overflow(.connections))
        }
        do throws(SystemError) {
            let upstream = try TCPUpstream(self, endpoint, header: header, owner: owner)
            openConnections += 1
            connectionsOpened.add()
            return .dialling(upstream)
        } catch {
            runtime.limits.connections.giveBack()
            runtime.limits.pending.giveBack()
            connectFailures.add()
            report(.connectFailure, of: endpoint.shared, latency: .zero)
            chooser.cannotReach(endpoint)
            return .refused(.dialFailed(error.code))
        }
    }

    func tcpConnected() { runtime.limits.pending.giveBack() }

    func tcpClosed(wasConnected: Bool, isFailure: Bool) {
        if !wasConnected { runtime.limits.pending.giveBack() }
        if isFailure { connectFailures.add() }
        connectionGone()
    }
}
