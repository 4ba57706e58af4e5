internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A call that a script sent, and its answer once it is there.
final class LuaCall {
    private(set) var body: [UInt8] = []
    private(set) var head: ResponseHead?
    private(set) var status: [UInt8] = []
    var isOver = false
    /// How its bodies pass when they are not taken whole.
    let stream: LuaCallStream?

    init(_ stream: LuaCallStream? = nil) { self.stream = stream }

    func begin(_ head: ResponseHead) {
        self.head = head
        status = Array(String(head.status).utf8)
    }

    /// Envoy's: a call that fails looks like a 503 with these words.
    func end(_ result: CallResult) {
        isOver = true
        switch result {
        case .response(let response):
            begin(response.head)
            body = response.body
        case .failure:
            body = Array("upstream failure".utf8)
            status = Array("503".utf8)
        }
    }
}

/// Calls to clusters of the configuration.
extension LuaExchange {
    /// Calls under way at once, and answers kept of streamed ones.
    private static let maxCalls = 64
    private static let maxKept = 1024

    func openCall(_ cluster: Span<UInt8>, begins: Bool) -> Int32 {
        // Answers that were taken whole are the script's by now. Of streams the script may hold iterators by their number.
        if begins, !calls.contains(where: { $0.stream != nil }) { calls.removeAll(keepingCapacity: true) }
        // Not by the list: an error between calls made at once leaves those before it to themselves.
        let underWay = pendingCalls + calls.count { $0.stream != nil && !$0.isOver }
        guard underWay < Self.maxCalls, calls.count < Self.maxKept else { return Int32(MRT_CODE_TOO_MANY) }
        let name = cluster.string()
        guard vm.policy.clusters.contains(name) else { return Int32(MRT_CODE_NO_CLUSTER) }
        openCall = CallRequest(cluster: name, path: "", authority: "")
        openCall?.method = ""
        return Int32(MRT_CODE_OK)
    }

    func addCallHeader(_ name: Span<UInt8>, _ value: Span<UInt8>) -> Int32 {
        guard name.count > 0, name[0] == 0x3A else {
            guard let name = HeaderName(name.string()) else { return Int32(MRT_CODE_BAD_NAME) }
            openCall?.headers.append((name, value.string()))
            return Int32(MRT_CODE_OK)
        }
        if name.equals(":path") {
            openCall?.path = value.string()
        } else if name.equals(":method") {
            openCall?.method = value.string()
        } else if name.equals(":authority") {
            openCall?.authority = value.string()
        } else if !name.equals(":scheme") {
            return Int32(MRT_CODE_PSEUDO)
        }
        return Int32(MRT_CODE_OK)
    }

    /// The call's number, or minus a code.
    func sendCall(_ body: Span<UInt8>, timeout: Int64, flags: Int32) -> Int32 {
        guard var request = openCall else { return -Int32(MRT_CODE_NO_REQUEST) }
        openCall = nil
        guard !request.path.isEmpty, !request.method.isEmpty, !request.authority.isEmpty else {
            return -Int32(MRT_CODE_BAD_CALL)
        }
        let streams = flags & Int32(MRT_CALL_STREAMS) != 0
        request.streamsBody = streams && flags & Int32(MRT_CALL_STREAMS_BODY) != 0
        if !request.streamsBody { request.body = body.array() }
        // Envoy's: 0 is none.
        request.timeout = .milliseconds(timeout)
        if flags & Int32(MRT_CALL_SEND_XFF) != 0, let exchange {
            request.headers.append((.xForwardedFor, exchange.clientIP))
        }
        if flags & Int32(MRT_CALL_ASYNCHRONOUS) != 0 {
            return vm.callAsynchronously(request) ? 0 : -Int32(MRT_CODE_TOO_MANY)
        }
        if streams { return openStream(request) }
        let call = LuaCall()
        calls.append(call)
        pendingCalls += 1
        let responds = isResponding
        let done: (CallResult) -> Void = { [self] result in
            call.end(result)
            pendingCalls -= 1
            if pendingCalls == 0 { woken(responds: responds) }
        }
        // What on_log waits for outlives the exchange.
        if let exchange, !isLogging { exchange.call(request, done) } else { vm.context.call(request, done) }
        return Int32(calls.count - 1)
    }

    func beginCalls() -> Int32 {
        pendingCalls == 0 ? Int32(MRT_CODE_OK) : wait(for: .calls)
    }

    func callField(_ call: Int32, _ index: Int32) -> (name: mrt_bytes_borrowed, value: mrt_bytes_borrowed)? {
        guard calls.indices.contains(Int(call)) else { return nil }
        let call = calls[Int(call)]
        if index == 0 {
            let status = call.status
            let name = Self.status
            return unsafe (Self.lend(name.span), Self.lend(status.span))
        }
        guard let head = call.head, Int(index) <= head.headers.count else { return nil }
        let table = head.headers
        let name = table.name(at: Int(index) - 1)
        scratch.removeAll(keepingCapacity: true)
        for position in name.indices { scratch.append(name[position].lowercasedASCII) }
        let lowercased = scratch
        return unsafe (Self.lend(lowercased.span), Self.lend(table.value(at: Int(index) - 1)))
    }
}
