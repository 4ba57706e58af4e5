internal import GRPCCore
internal import GRPCProtobuf
internal import MartletControl
internal import MartletXDS
internal import MartletXDSMessages

/// Takes what Martlet proxies report beside their stream of discovery, and tells them how often to.
struct ReportService: RegistrableRPCService {
    let fleet: Fleet

    private static let method = MethodDescriptor(
        service: ServiceDescriptor(fullyQualifiedService: "martlet.control.v1.ProxyReports"), method: "StreamReports")

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: Self.method, deserializer: ReportDeserializer(),
            serializer: ProtobufSerializer<ReportOrderMessage>()
        ) { request, context in
            let address = context.remotePeer
            return StreamingServerResponse { writer in
                try await run(request.messages, writer, from: address)
                return [:]
            }
        }
    }

    private func run(
        _ reports: RPCAsyncSequence<ReportMessage, any Error>, _ writer: RPCWriter<ReportOrderMessage>,
        from address: String
    ) async throws {
        var reporter: (name: ProxyName, stream: UInt64)?
        defer { if let reporter { fleet.endReports(of: reporter.name, by: reporter.stream) } }
        let order = ReportOrderMessage(.standard)
        do {
            for try await message in reports {
                if let reporter {
                    guard !message.hasNode || ProxyIdentity(message.node).name == reporter.name else {
                        throw ReportRefusal.otherNode(reporter.name.id)
                    }
                } else {
                    guard message.hasNode, !message.node.id.isEmpty else { throw ReportRefusal.missingNode }
                    let name = ProxyIdentity(message.node).name
                    reporter = (name, try fleet.beginReports(of: name, from: address))
                }
                guard let reporter else { return }
                try fleet.report(try ProxyReport(message), of: reporter.name, by: reporter.stream)
                try await writer.write(order)
            }
        } catch let refusal as ReportRefusal {
            throw RPCError(code: refusal.code, message: refusal.description)
        } catch let fault as ReportFault {
            throw RPCError(code: .invalidArgument, message: fault.description)
        }
    }
}

extension ReportRefusal {
    fileprivate var code: RPCError.Code {
        switch self {
        case .missingNode, .otherNode: .invalidArgument
        case .notConnected: .failedPrecondition
        case .otherAddress: .permissionDenied
        }
    }
}
