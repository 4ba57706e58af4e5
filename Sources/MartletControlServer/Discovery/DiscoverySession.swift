internal import AsyncAlgorithms
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

    private enum Input: Sendable {
        case request(Request)
        case publication(Publication)
        case resumed
        case ended
    }

    /// A client that came back has asked for all that it wants by then.
    private var resumption: Duration { .seconds(5) }

    init(control: MeshControl, identifier: String, address: String, now: @escaping @Sendable () -> Int64) {
        (self.control, self.identifier, self.address, self.now) = (control, identifier, address, now)
    }

    func run(
        _ requests: RPCAsyncSequence<Request, any Error>, _ writer: RPCWriter<DiscoveryResponseBytes>
    ) async throws {
        // It takes one at a time: a client that asks faster than it reads waits.
        let inputs = AsyncChannel<Input>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    for try await request in requests { await inputs.send(.request(request)) }
                } catch {
                    // The connection broke: the same as an end.
                }
                await inputs.send(.ended)
            }
            defer {
                inputs.finish()
                group.cancelAll()
            }
            var iterator = inputs.makeAsyncIterator()
            guard case .request(let first)? = await iterator.next() else { return }
            guard first.hasNode, !first.node.id.isEmpty else {
                throw RPCError(code: .invalidArgument, message: StreamViolation.missingNode.description)
            }
            let proxy = ProxyIdentity(first.node)
            let membership = await control.publisher.join(proxy)
            defer { control.leave(membership.id) }
            guard let start = await membership.publications.first(where: { _ in true }) else { return }
            group.addTask {
                try await Task.sleep(for: resumption)
                await inputs.send(.resumed)
            }
            group.addTask {
                for await publication in membership.publications { await inputs.send(.publication(publication)) }
            }
            var progress = SessionProgress(
                proxy, method: Request.variant, address: address, time: now(), publication: start)
            // Before it is answered: it may report as soon as it has been.
            control.fleet.update(membership.id, progress.status)
            var stream = DiscoveryStream(Request.variant, snapshot: start.snapshot)
            var next: Input? = .request(first)
            while let input = next {
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
                control.fleet.update(membership.id, progress.status)
                next = await iterator.next()
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
