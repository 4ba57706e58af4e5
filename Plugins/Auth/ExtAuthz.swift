public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// `ext_authz`: asks a service of the operator's own whether a request may pass.
public struct ExtAuthzKind: FilterKind {
    public let name = "ext_authz"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> ExtAuthzConfig? {
        ExtAuthzConfig(section, load)
    }

    public func decodeRoute(
        _ section: ConfigSection, _ config: ExtAuthzConfig, _ load: LoadContext
    ) -> ExtAuthzRoute? { ExtAuthzRoute(section) }

    public func routeOff(_ config: ExtAuthzConfig) -> ExtAuthzRoute? { config.upstream.isEmpty ? nil : .off }

    public func makeFilter(_ config: ExtAuthzConfig, _ context: FilterContext) -> any Filter {
        ExtAuthz(config, context)
    }
}

final class ExtAuthz: Filter {
    /// What the client's response is to have of the service's answer.
    final class Permit {
        /// Its 200, in HTTP.
        let answer: ResponseHead?
        /// In gRPC.
        let fields: [CheckResponse.Field]

        init(_ answer: ResponseHead) {
            self.answer = answer
            fields = []
        }

        init(_ fields: [CheckResponse.Field]) {
            answer = nil
            self.fields = fields
        }
    }

    let config: ExtAuthzConfig
    let context: FilterContext
    let permit: Slot<Permit>
    let counters: ExtAuthzCounters
    /// The fields of the question under construction; its bytes are copied when it is asked.
    private let fields = HeaderTable()

    let hooks: Hooks

    init(_ config: ExtAuthzConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        permit = context.slot(Permit.self)
        counters = ExtAuthzCounters(config.cluster, context)
        var hooks: Hooks = [.requestHead]
        if !config.upstream.isEmpty { hooks.insert(.requestTrailers) }
        if !config.clientOnSuccess.isEmpty || config.isGRPC { hooks.insert(.responseHead) }
        self.hooks = hooks
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        if context.routeConfig(of: exchange, as: ExtAuthzRoute.self)?.isOff == true {
            strip(exchange.request.headers)
            return .next
        }
        // A question with CONNECT for its method would be one for a tunnel.
        guard exchange.request.method != .connect else { return deny(.refusal(403, "ext-authz-connect-not-asked")) }
        guard let body = config.body else { return ask(exchange, nil, isPartial: false) }
        if !body.allowsPartial, case .exactly(let length) = exchange.request.body,
            length > UInt64(body.maxBytes.bytes)
        {
            return .reply(.refusal(413, "request-body-too-large"))
        }
        // The body comes to `onRequestBody`, unless there is none or a filter before this one has had it collected.
        if exchange.collectRequestBody(limit: body.maxBytes, allowsPartial: body.allowsPartial) { return .wait }
        let collected = exchange.collectedRequestBody ?? []
        guard collected.count > body.maxBytes.bytes else { return ask(exchange, collected, isPartial: false) }
        guard body.allowsPartial else { return .reply(.refusal(413, "request-body-too-large")) }
        return ask(exchange, Array(collected.prefix(body.maxBytes.bytes)), isPartial: true)
    }

    /// The body, or its beginning, behind the head that this filter holds.
    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        let limit = config.body?.maxBytes.bytes ?? 0
        let bytes = chunk.slice.array()
        guard bytes.count <= limit else { return ask(exchange, Array(bytes.prefix(limit)), isPartial: true) }
        return ask(exchange, bytes, isPartial: !chunk.isLast)
    }

    /// Some servers make no difference between a trailer and a header.
    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        strip(trailers)
        return .next
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        guard let permit = exchange[permit] else { return .next }
        let headers = exchange.response.headers
        for field in permit.fields { field.apply(to: headers) }
        guard let answer = permit.answer?.headers else { return .next }
        for index in 0..<answer.count where passes(answer, index, config.clientOnSuccess) {
            if answer.id(at: index) != .setCookie { headers.remove(named: answer.name(at: index)) }
        }
        for index in 0..<answer.count where passes(answer, index, config.clientOnSuccess) {
            headers.append(named: answer.name(at: index), answer.value(at: index))
        }
        return .next
    }

    private func passes(_ table: HeaderTable, _ index: Int, _ names: HeaderNameSet) -> Bool {
        !table.id(at: index).framesMessages && names.contains(table.name(at: index))
    }

    // MARK: Asking

    /// - Parameter body: nil when bodies are not asked about.
    private func ask(_ exchange: Exchange, _ body: [UInt8]?, isPartial: Bool) -> Verdict {
        if config.isGRPC { return askByGRPC(exchange, body, isPartial: isPartial) }
        let request = exchange.request
        let headers = request.headers
        var question = CallRequest(
            cluster: config.cluster, path: config.pathPrefix + Self.path(request.target()),
            authority: request.authority().string())
        question.method = request.methodBytes().string()
        question.timeout = config.timeout
        question.maxResponseBody = config.maxResponseBody
        fill(headers, context.routeConfig(of: exchange, as: ExtAuthzRoute.self)?.context ?? [])
        if let body {
            question.body = body
            if let type = headers.first(.contentType), !fields.contains(.contentType) {
                fields.append(.contentType, type)
            }
            fields.set(Self.partialName, isPartial ? "true" : "false")
        }
        question.fields = fields
        // What the service is to say, the client cannot have said.
        strip(headers)
        // Those of a collected body have come already, and are not shown to the filter that had it collected.
        strip(exchange.requestTrailers)
        let resumption = exchange.requestResumption()
        exchange.call(question) { [self] result in resumption.resume(verdict(exchange, result)) }
        return .wait
    }

    /// Envoy's.
    private static let partialName = HeaderName(known: "x-envoy-auth-partial-body")

    /// The target as text. What is not ASCII is escaped: the same path (RFC 3986 section 2.1), in any reading.
    private static func path(_ target: Span<UInt8>) -> String {
        var bytes: [UInt8] = target.count > 0 && target[0] == 0x2F ? [] : [0x2F]
        bytes.reserveCapacity(target.count + 1)
        for index in target.indices {
            let byte = target[index]
            guard byte >= 0x80 else {
                bytes.append(byte)
                continue
            }
            bytes.append(0x25)
            bytes.append(hexDigit(byte >> 4))
            bytes.append(hexDigit(byte & 0xF))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? value &+ 0x30 : value &+ 0x37 }

    private func fill(_ headers: HeaderTable, _ route: [(name: HeaderName, value: String)]) {
        fields.reset()
        for index in 0..<headers.count where passes(headers, index, config.allowed) {
            fields.append(named: headers.name(at: index), headers.value(at: index))
        }
        for list in [config.context, route] {
            for field in list { fields.remove(field.name) }
            for field in list { fields.append(field.name, field.value) }
        }
    }

    func strip(_ headers: HeaderTable) {
        guard !config.upstream.isEmpty else { return }
        var index = 0
        while index < headers.count {
            if !headers.id(at: index).framesMessages && config.upstream.containsSpelling(of: headers.name(at: index)) {
                headers.remove(at: index)
            } else {
                index += 1
            }
        }
    }

    // MARK: The answer

    private func verdict(_ exchange: Exchange, _ result: CallResult) -> Verdict {
        switch result {
        case .response(let answer) where answer.head.status == 200:
            counters.ok.add()
            let headers = answer.head.headers
            for index in 0..<headers.count where passes(headers, index, config.upstream) {
                exchange.request.headers.append(named: headers.name(at: index), headers.value(at: index))
            }
            if !config.clientOnSuccess.isEmpty { exchange[permit] = Permit(answer.head) }
            return .next
        case .response(let answer) where answer.head.status >= 500:
            return failed(counters.serverErrors, "5xx", mayPass: true)
        case .response(let answer): return deny(denial(answer))
        case .failure(let failure):
            // A question that cannot be asked is the client's doing: it must not be the way in.
            return failed(counters.failures[failure], failure.rawValue, mayPass: failure != .invalidRequest)
        }
    }

    func deny(_ reply: Reply) -> Verdict {
        counters.denied.add()
        return .reply(reply)
    }

    func failed(_ counter: Counter?, _ reason: String, mayPass: Bool) -> Verdict {
        counter?.add()
        if config.onError == .allow && mayPass {
            counters.failureAllowed.add()
            return .next
        }
        return .reply(
            .refusal(config.statusOnError, "ext-authz-failed: \(reason)", flag: .unauthorizedExternalService))
    }

    /// The service's own answer. One that would look like success, or like nothing new, is 403: nothing was done.
    private func denial(_ answer: CallResponse) -> Reply {
        let status = answer.head.status
        let isRefusal = (300...499).contains(status) && status != 304
        var fields: [(name: HeaderName, value: String)] = []
        let headers = answer.head.headers
        for index in 0..<headers.count {
            let describesBody: Bool
            switch headers.id(at: index) {
            case .contentType, .contentEncoding: describesBody = !answer.body.isEmpty
            default: describesBody = false
            }
            guard describesBody || passes(headers, index, config.client),
                let name = HeaderName(headers.name(at: index).string())
            else { continue }
            fields.append((name, headers.value(at: index).string()))
        }
        return Reply(
            status: isRefusal ? status : 403, headers: fields, body: answer.body, reason: "ext-authz-denied",
            flag: .unauthorizedExternalService)
    }
}

struct ExtAuthzCounters {
    let ok, denied, failureAllowed, serverErrors, grpcErrors: Counter
    let failures: [CallFailure: Counter]

    init(_ cluster: String, _ context: FilterContext) {
        let labels = [("cluster", cluster)]
        func errors(_ reason: String) -> Counter {
            context.counter("ext_authz_error_total", labels + [("reason", reason)])
        }
        ok = context.counter("ext_authz_ok_total", labels)
        denied = context.counter("ext_authz_denied_total", labels)
        failureAllowed = context.counter("ext_authz_failure_allowed_total", labels)
        serverErrors = errors("5xx")
        grpcErrors = errors("grpc")
        let all: [CallFailure] = [
            .unknownCluster, .noHealthyUpstream, .connectFailure, .reset, .timeout, .overflow, .tooLarge,
            .invalidRequest,
        ]
        failures = Dictionary(all.map { ($0, errors($0.rawValue)) }, uniquingKeysWith: { first, _ in first })
    }
}
