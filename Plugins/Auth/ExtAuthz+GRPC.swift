internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// Asking a service that speaks gRPC: `envoy.service.auth.v3.Authorization/Check`.
extension ExtAuthz {
    private static let path = "/envoy.service.auth.v3.Authorization/Check"

    /// - Parameter body: nil when bodies are not asked about.
    func askByGRPC(_ exchange: Exchange, _ body: [UInt8]?, isPartial: Bool) -> Verdict {
        let headers = exchange.request.headers
        let route = context.routeConfig(of: exchange, as: ExtAuthzRoute.self)?.context ?? []
        let names = Set(route.map(\.name))
        let message = CheckRequest.encode(
            exchange, context: config.context.filter { !names.contains($0.name) } + route,
            body: body.map { ($0, isPartial) }, packsBytes: config.body?.packsBytes ?? false
        ) { headers, index in
            guard let allowed = config.allowedByGRPC else { return true }
            return allowed.contains(headers.name(at: index))
        }
        var request = GRPCRequest(cluster: config.cluster, path: Self.path, authority: config.authority)
        request.timeout = config.timeout
        request.maxMessage = config.maxResponseBody
        // What the service is to say, the client cannot have said.
        strip(headers)
        strip(exchange.requestTrailers)
        let resumption = exchange.requestResumption()
        exchange.callGRPC(request, message) { [self] answer, end in
            resumption.resume(verdict(exchange, answer, end))
        }
        return .wait
    }

    private func verdict(_ exchange: Exchange, _ answer: [UInt8]?, _ end: GRPCEnd) -> Verdict {
        guard let answer else {
            if let failure = end.failure {
                return failed(counters.failures[failure], failure.rawValue, mayPass: failure != .invalidRequest)
            }
            // Of two clocks the service's was faster.
            if end.status == .deadlineExceeded {
                return failed(counters.failures[.timeout], CallFailure.timeout.rawValue, mayPass: true)
            }
            return failed(counters.grpcErrors, "grpc-status \(end.status.rawValue)", mayPass: true)
        }
        guard let response = try? CheckResponse(answer) else {
            return failed(counters.grpcErrors, "unreadable-answer", mayPass: true)
        }
        if response.isError { return failed(counters.grpcErrors, "service-error", mayPass: true) }
        guard response.isOK else { return deny(denial(response)) }
        counters.ok.add()
        let headers = exchange.request.headers
        for name in response.removed where HeaderName(String(decoding: name, as: UTF8.self))?.framesMessages == false {
            headers.remove(named: name.span)
        }
        for field in response.fields { field.apply(to: headers) }
        if !response.responseFields.isEmpty { exchange[permit] = Permit(response.responseFields) }
        return .next
    }

    /// The service's own answer; one that would look like success, or like nothing new, is 403.
    private func denial(_ response: CheckResponse) -> Reply {
        let status = (300...599).contains(response.status) && response.status != 304 ? UInt16(response.status) : 403
        var fields: [(name: HeaderName, value: String)] = []
        for field in response.fields where field.isSendable {
            guard let name = HeaderName(String(decoding: field.name, as: UTF8.self)) else { continue }
            fields.append((name, String(decoding: field.value, as: UTF8.self)))
        }
        return Reply(
            status: status, headers: fields, body: response.body, reason: "ext-authz-denied",
            flag: .unauthorizedExternalService)
    }
}
