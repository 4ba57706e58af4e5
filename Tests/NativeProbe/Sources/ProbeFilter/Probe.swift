public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `probe`: does what a request's `x-probe` asks for, with all that the filter API has.
public struct ProbeKind: FilterKind {
    public let name = "probe"

    public init() {}

    public struct Config: Sendable {
        let label: String
        let cluster: String
        let file: String?
    }

    public struct RouteConfig: Sendable {
        let label: String
    }

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> Config? {
        let cluster = section.string("cluster", default: "up")
        if !load.hasCluster(cluster) {
            section.error(
                at: "cluster", "no cluster is called \"\(cluster)\"",
                hint: "clusters: \(load.clusterNames.joined(separator: ", "))")
        }
        if section.bool("fragile", default: false) {
            section.warning(at: "fragile", "this is fragile", hint: "handle with care")
        }
        _ = section.list("numbers").map { section.read($0, .int(in: 1...10)) }
        let file = section.file("file").map { String(decoding: $0, as: UTF8.self) }
        return Config(
            label: section.string(required: "label"), cluster: cluster,
            file: file.map { String($0.prefix { $0 != "\n" }) })
    }

    public func decodeRoute(_ section: ConfigSection, _ config: Config, _ load: LoadContext) -> RouteConfig? {
        RouteConfig(label: section.string(required: "label"))
    }

    public func makeFilter(_ config: Config, _ context: FilterContext) -> any Filter { Probe(config, context) }
}

final class Probe: Filter {
    /// What is remembered of one exchange.
    private final class Memory {
        let wish: String
        var notes: [String] = []
        var held: ByteSlice?
        init(wish: String) { self.wish = wish }
    }

    let hooks: Hooks = [
        .requestHead, .requestBody, .requestTrailers, .responseHead, .responseBody, .responseTrailers, .end,
    ]
    private let config: ProbeKind.Config
    private let context: FilterContext
    private let memory: Slot<Memory>
    private let ended: Counter
    private let ticks: Counter
    private let open: Gauge
    private let size: Histogram
    private let wishHeader = HeaderName("x-probe")
    private let noteHeader = HeaderName("x-note")
    private let labelHeader = HeaderName("x-label")

    init(_ config: ProbeKind.Config, _ context: FilterContext) {
        self.config = config
        self.context = context
        memory = context.slot(Memory.self)
        ended = context.counter("probe_ended_total", [("label", config.label)])
        ticks = context.counter("probe_ticks_total")
        open = context.gauge("probe_open")
        size = context.histogram("probe_time")
        // A timer of no exchange: it holds the context, not the filter.
        context.after(.milliseconds(1)) { [ticks] in ticks.add() }
    }

    // MARK: The request

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        open.add(1)
        guard let wishHeader, let wish = exchange.request.headers.string(wishHeader) else { return .next }
        let memory = Memory(wish: wish)
        exchange[self.memory] = memory
        switch wish {
        case "info": memory.notes = info(of: exchange)
        case "edit": edit(exchange)
        case "reply":
            return .reply(
                Reply(
                    status: 418, headers: [(.contentType, "text/plain")], body: Array("short".utf8), reason: "teapot",
                    flag: .rateLimited))
        case "refuse": return .reply(.refusal(403, "not-you"))
        case "reset": return .reset(.filter)
        case "timer":
            let resumption = exchange.requestResumption()
            exchange.after(.milliseconds(2)) {
                memory.notes.append("fired")
                resumption.resume()
                // Once is enough.
                resumption.resume(.reset(.filter))
            }
            return .wait
        case "cancelled":
            let resumption = exchange.requestResumption()
            let late = exchange.after(.seconds(3600)) { resumption.resume(.reset(.filter)) }
            late.cancel()
            resumption.resume()
            return .wait
        case "refuse-late":
            let resumption = exchange.requestResumption()
            exchange.after(.milliseconds(1)) { resumption.resume(.reply(.refusal(429, "later", flag: .rateLimited))) }
            return .wait
        case "call": return call(exchange, memory)
        case "stream": return stream(exchange, memory)
        case "collect": return exchange.collectRequestBody() ? .wait : .next
        case "collect-small": return exchange.collectRequestBody(limit: 4) ? .wait : .next
        case "chunks": exchange.requestBodyLengthChanges()
        case "identity": identity(exchange, memory)
        case "slow": spin(.milliseconds(30))
        default: break
        }
        return .next
    }

    /// Holds the worker, which no filter should.
    private func spin(_ time: Duration) {
        let end = Instant.now() + Nanoseconds(time)
        while Instant.now() < end {}
    }

    private func info(of exchange: Exchange) -> [String] {
        let request = exchange.request
        let headers = request.headers
        var names: [String] = []
        for index in 0..<headers.count {
            names.append(headers.name(at: index).string() + ":" + headers.value(at: index).string())
        }
        return [
            request.methodBytes().string(), "\(request.method)", request.path().string(),
            request.query()?.string() ?? "-", request.authority().string(), "\(request.version)", "\(request.scheme)",
            "\(request.body)", exchange.clientIP, exchange.route?.name ?? "-", "\(exchange.route?.position ?? -1)",
            exchange.downstream?.directRemoteIP ?? "-", exchange.downstream?.listener ?? "-", context.listener,
            "\(context.position)", "\(context.workerIndex)", "\(exchange.now >= exchange.started)",
            "\(headers.size > 0)", "\(headers.firstIndex(named: Array("X-PROBE".utf8).span) ?? -1)",
            config.file ?? "-", names.filter { $0.hasPrefix("x-seen") }.joined(separator: "+"),
        ]
    }

    private func edit(_ exchange: Exchange) {
        let request = exchange.request
        let headers = request.headers
        request.setMethod(Array("PUT".utf8).span)
        request.setTarget(Array("/edited?by=probe".utf8).span)
        request.setAuthority(Array("edited.test".utf8).span)
        if let name = HeaderName("x-list"), let index = headers.firstIndex(of: name) {
            headers.extendValue(at: index, separator: ", ", Array("more".utf8).span)
        }
        if let name = HeaderName("x-many") {
            headers.append(name, "third")
            headers.append(named: Array("X-Many".utf8).span, Array("fourth".utf8).span)
            if let second = headers.firstIndex(of: name, from: (headers.firstIndex(of: name) ?? 0) + 1) {
                headers.replaceValue(at: second, Array("2nd".utf8).span)
            }
            if let first = headers.firstIndex(of: name) { headers.remove(at: first) }
        }
        if let gone = HeaderName("x-gone") {
            exchange[memory]?.notes.append("\(headers.remove(gone)) \(headers.remove(gone)) \(headers.contains(gone))")
        }
        headers.set(named: Array("x-once".utf8).span, Array("1".utf8).span)
        // Fields that are not there.
        _ = headers.value(at: headers.count - 1)
        exchange.clearRouteCache()
        exchange[memory]?.notes.append(exchange.route?.name ?? "-")
    }

    private func call(_ exchange: Exchange, _ memory: Memory) -> Verdict {
        var question = CallRequest(cluster: config.cluster, path: "/question", authority: "asked.test")
        question.method = "POST"
        question.body = Array("what?".utf8)
        if let labelHeader { question.headers = [(labelHeader, config.label)] }
        let resumption = exchange.requestResumption()
        exchange.call(question) { result in
            switch result {
            case .response(let answer):
                let type = answer.head.headers.string(.contentType) ?? "-"
                memory.notes = ["\(answer.head.status)", type, String(decoding: answer.body, as: UTF8.self)]
            case .failure(let failure): memory.notes = [failure.rawValue]
            }
            resumption.resume()
        }
        return .wait
    }

    private func stream(_ exchange: Exchange, _ memory: Memory) -> Verdict {
        var question = CallRequest(cluster: config.cluster, path: "/stream", authority: "asked.test")
        question.method = "POST"
        question.streamsBody = true
        let resumption = exchange.requestResumption()
        let stream = exchange.stream(question) { event in
            switch event {
            case .head(let head): memory.notes.append("\(head.status)")
            case .body(let slice):
                memory.held = slice
                memory.notes.append(String(decoding: slice.array(), as: UTF8.self))
            case .ended:
                memory.notes.append("ended \(memory.held?.count ?? 0)")
                resumption.resume()
            case .failed(let failure):
                memory.notes.append(failure.rawValue)
                resumption.resume()
            case .writable: break
            }
        }
        stream?.send(Array("piece".utf8).span)
        stream?.endRequest()
        return .wait
    }

    private func identity(_ exchange: Exchange, _ memory: Memory) {
        let claims = JSONValue.object([JSONMember(name: "team", value: .string("\"a\"\n"))])
        memory.notes.append("\(exchange.identity(.jwt) == nil)")
        exchange.proved(Identity(.jwt, name: "somebody", provider: "here", claims: claims))
        let seen = exchange.identity(.jwt)
        memory.notes.append("\(seen?.name ?? "-") \(seen?.provider ?? "-") \(seen?.claims == claims)")
        exchange.flags.insert(.delayInjected)
        memory.notes.append("\(exchange.flags.contains(.delayInjected)) \(exchange.flags.contains(.rateLimited))")
        exchange.log(.info, "probe says \(seen?.name ?? "-")")
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let memory = exchange[memory] else { return .next }
        switch memory.wish {
        case "collect":
            let body = chunk.bytes().string()
            memory.notes = ["\(body.utf8.count)", "\(chunk.isLast)"]
            chunk.replace(with: Array(body.uppercased().utf8))
        case "chunks": chunk.replace(with: chunk.bytes().array() + chunk.bytes().array())
        case "hold-body":
            let resumption = exchange.requestResumption()
            exchange.after(.milliseconds(1)) { resumption.resume() }
            return .wait
        case "keep": memory.held = chunk.slice
        default: break
        }
        return .next
    }

    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        trailers.set(named: Array("x-trailer-seen".utf8).span, Array("\(trailers.count)".utf8).span)
        return .next
    }

    // MARK: The response

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        let headers = exchange.response.headers
        let route = context.routeConfig(of: exchange, as: ProbeKind.RouteConfig.self)
        if let labelHeader { headers.set(labelHeader, route?.label ?? config.label) }
        guard let memory = exchange[memory] else { return .next }
        if let held = memory.held { memory.notes.append("kept \(String(decoding: held.array(), as: UTF8.self))") }
        if let noteHeader, !memory.notes.isEmpty { headers.set(noteHeader, memory.notes.joined(separator: "|")) }
        switch memory.wish {
        case "status":
            exchange.response.setStatus(202)
            exchange.response.setReason(Array("Taken".utf8).span)
        case "bad-field": if let wishHeader { headers.set(wishHeader, "one\ntwo") }
        case "late-reply": return .reply(.refusal(502, "bad-answer"))
        case "response-collect": return exchange.collectResponseBody() ? .wait : .next
        case "response-chunks": exchange.responseBodyLengthChanges()
        default: break
        }
        return .next
    }

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        switch exchange[memory]?.wish {
        case "response-collect": chunk.replace(with: Array("<\(chunk.bytes().string())>".utf8))
        case "response-chunks": chunk.replace(with: Array(chunk.bytes().string().uppercased().utf8))
        default: break
        }
        return .next
    }

    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        trailers.append(named: Array("x-trailer-seen".utf8).span, Array("yes".utf8).span)
        return .next
    }

    func onEnd(_ exchange: Exchange) {
        open.add(-1)
        ended.add()
        size.record(nanoseconds: 1000)
    }
}
