internal import GRPCCore
internal import MartletControl
internal import MartletXDS
internal import MartletXDSMessages

/// One stream of one proxy: its requests and what is published for it go through its `DiscoveryStream`, one after the other.
struct DiscoverySession<Request: DiscoveryMessage> {
    let control: MeshControl
    let identifier: String
    let address: String
    let now: @Sendable () -> Int64

    /// A client that came back has asked for all that it wants by then.
    private var resumption: Duration { .seconds(5) }

    init(control: MeshControl, identifier: String, address: String, now: @escaping @Sendable () -> Int64) {
        (self.control, self.identifier, self.address, self.now) = (control, identifier, address, now)
    }

    func run(
        _ requests: RPCAsyncSequence<Request, any Error>, _ writer: RPCWriter<DiscoveryResponseBytes>
    ) async throws {
        let inbox = SessionInbox<Request>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    for try await request in requests { await inbox.send(request) }
                } catch {
                    // The connection broke: the same as an end.
                }
                inbox.end()
            }
            defer {
                inbox.end()
                group.cancelAll()
            }
            guard case .request(let first) = await inbox.next() else { return }
            guard first.hasNode, !first.node.id.isEmpty else {
                throw RPCError(code: .invalidArgument, message: StreamViolation.missingNode.description)
            }
            let proxy = ProxyIdentity(first.node)
            let membership = await control.publisher.join(proxy) { publication in
                if let publication { inbox.put(publication) } else { inbox.end() }
            }
            defer { control.leave(membership) }
            // Until the store has been read nobody reads what the client sends, and would notice that it has gone.
            let known = await withRPCCancellationHandler {
                await inbox.firstPublication()
            } onCancelRPC: {
                inbox.end()
            }
            guard let start = known else {
                throw RPCError(code: .unavailable, message: "the store has not been read yet")
            }
            group.addTask {
                try await Task.sleep(for: resumption)
                inbox.resume()
            }
            var progress = SessionProgress(
                proxy, method: Request.variant, address: address, time: now(), publication: start)
            // Before it is answered: it may report as soon as it has been.
            control.fleet.update(membership, progress.status)
            var stream = DiscoveryStream(Request.variant, snapshot: start.snapshot)
            var input = SessionInbox<Request>.Input.request(first)
            while true {
                let output: StreamOutput
                switch input {
                case .ended: return
                case .resumed: output = stream.resumed()
                case .publication(let publication):
                    progress.publication = publication
                    output = stream.publish(publication.snapshot)
                case .request(let request): output = request.receive(into: &stream)
                }
                try await write(output, writer)
                progress.update(stream)
                control.fleet.update(membership, progress.status)
                input = await inbox.next()
            }
        }
    }

    private func write(_ output: StreamOutput, _ writer: RPCWriter<DiscoveryResponseBytes>) async throws {
        for event in output.events {
            if case .violation(let violation) = event {
                throw RPCError(code: .invalidArgument, message: violation.description)
            }
        }
        for response in output.responses {
            try await writer.write(try DiscoveryResponseBytes(response, Request.variant, identifier: identifier))
        }
    }
}
