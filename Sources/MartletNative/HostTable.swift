internal import CMartletModule
internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What modules are offered: the functions of `martlet_host`, over the objects of this side. One table for all modules,
/// for the life of the process.
enum HostTable {
    /// Written once, here, and constant after; a module only reads it.
    nonisolated(unsafe) static let table: UnsafePointer<martlet_host> = {
        let table = UnsafeMutablePointer<martlet_host>.allocate(capacity: 1)
        unsafe table.initialize(to: filled())
        return unsafe UnsafePointer(table)
    }()

    private static func filled() -> martlet_host {
        unsafe martlet_host(
            version: UInt32(MARTLET_MODULE_VERSION), size: UInt32(MemoryLayout<martlet_host>.size),
            release: { unsafe Unmanaged<AnyObject>.fromOpaque($0).release() },

            load_report: { unsafe load($0).report($1.pointee) },
            load_workers: { load($0).load.workers },
            load_cluster_count: { load($0).load.clusterNames.count },
            load_cluster: { handle, index, room in
                let names = load(handle).load.clusterNames
                return unsafe names.indices.contains(index) ? unsafe room.fill(names[index]) : martlet_room.nothing
            },
            load_path: { unsafe $2.fill(load($0).load.path($1.text)) },
            load_watch: { unsafe load($0).load.watch($1.text) },

            context_position: { context($0).position },
            context_worker: { context($0).workerIndex },
            context_listener: { unsafe $1.fill(context($0).listener) },
            context_now: { context($0).now.nanoseconds },
            context_log: { unsafe context($0).log(LogLevel(rawValue: UInt8(clamping: $1)) ?? .error, $2.text) },
            context_after: { handle, delay, action in
                let action = unsafe ForeignAction(action)
                return Handle.handOver(context(handle).after(delay.asDuration) { action.fire() })
            },
            context_call: { handle, request, action in
                let action = unsafe ForeignAction(action)
                return Handle.handOver(
                    unsafe context(handle).call(CallRequest(lent: request.pointee)) { action.done($0) })
            },
            context_stream: { handle, request, action in
                let action = unsafe ForeignAction(action)
                return Handle.handOver(
                    unsafe context(handle).stream(CallRequest(lent: request.pointee)) { action.heard($0) })
            },
            context_route_config: {
                unsafe context($0).routeConfig(of: exchange($1), as: NativeConfig.self)?.handle
            },
            context_counter: { unsafe Handle.handOver(context($0).counter($1.text, $2.labels)) },
            context_gauge: { unsafe Handle.handOver(context($0).gauge($1.text, $2.labels)) },
            context_histogram: { unsafe Handle.handOver(context($0).histogram($1.text, $2.labels)) },
            counter_add: { handle, amount in Handle.with(handle, as: Counter.self) { $0.add(amount) } },
            gauge_add: { handle, amount in Handle.with(handle, as: Gauge.self) { $0.add(amount) } },
            gauge_set: { handle, value in Handle.with(handle, as: Gauge.self) { $0.set(value) } },
            histogram_record: { handle, time in
                Handle.with(handle, as: Histogram.self) { $0.record(nanoseconds: time) }
            },

            exchange_client_ip: { unsafe $1.fill(exchange($0).clientIP) },
            exchange_started: { exchange($0).started.nanoseconds },
            exchange_now: { exchange($0).now.nanoseconds },
            exchange_request_bytes: { exchange($0).requestBytes },
            exchange_response_bytes: { exchange($0).responseBytes },
            exchange_attempts: { UInt64(clamping: exchange($0).attempts) },
            exchange_upstream_address: { unsafe $1.fill(exchange($0).upstreamAddress) },
            exchange_cluster: { unsafe $1.fill(exchange($0).clusterName) },
            exchange_reason: { unsafe $1.fill(exchange($0).reason) },
            exchange_set_reason: { unsafe exchange($0).reason = $1.textIfPresent },
            exchange_flags: { exchange($0).flags.lent },
            exchange_set_flags: { handle, flags in
                let named = exchange(handle)
                named.flags = named.flags.changed(to: flags)
            },
            flag_bit: { unsafe ResponseFlag(letters: $0).map { UInt32($0.rawValue) } ?? 32 },
            exchange_route: { handle, position, room in
                guard let route = exchange(handle).route else { return unsafe martlet_room.nothing }
                unsafe position.pointee = route.position
                return unsafe room.fill(route.name)
            },
            exchange_clear_route: { exchange($0).clearRouteCache() },
            exchange_peer: { handle, peer in
                guard let client = downstream(handle) else { return false }
                unsafe peer.pointee = martlet_borrowed_peer(
                    port: client.directRemotePort, scheme: client.scheme.lent, connection: client.connectionID)
                return true
            },
            exchange_peer_ip: { unsafe $1.fill(downstream($0)?.directRemoteIP) },
            exchange_local_address: { unsafe $1.fill(downstream($0)?.localAddress) },
            exchange_listener: { unsafe $1.fill(downstream($0)?.listener) },
            exchange_log: { unsafe exchange($0).log(LogLevel(rawValue: UInt8(clamping: $1)) ?? .error, $2.text) },
            exchange_after: { handle, delay, action in
                let action = unsafe ForeignAction(action)
                return Handle.handOver(exchange(handle).after(delay.asDuration) { action.fire() })
            },
            exchange_call: { handle, request, action in
                let action = unsafe ForeignAction(action)
                return Handle.handOver(
                    unsafe exchange(handle).call(CallRequest(lent: request.pointee)) { action.done($0) })
            },
            exchange_stream: { handle, request, action in
                let action = unsafe ForeignAction(action)
                let stream = unsafe exchange(handle).stream(CallRequest(lent: request.pointee)) { action.heard($0) }
                return unsafe stream.map { Handle.handOver($0) }
            },
            exchange_identity: { handle, proof in
                let proof = unsafe Identity.Proof(rawValue: proof.text)
                return unsafe proof.flatMap { exchange(handle).identity($0) }.map { Handle.handOver($0) }
            },
            identity_name: { unsafe $1.fill(identity($0).name) },
            identity_provider: { unsafe $1.fill(identity($0).provider) },
            identity_claims: { unsafe $1.fill(identity($0).claims?.text) },
            exchange_proved: { handle, proof, name, provider, claims in
                guard let proof = unsafe Identity.Proof(rawValue: proof.text) else { return }
                let value = unsafe claims.isPresent ? claims.withSpan { try? JSONReader.read($0) } : nil
                exchange(handle).proved(
                    unsafe Identity(proof, name: name.text, provider: provider.textIfPresent, claims: value))
            },

            exchange_resumption: { handle, direction in
                let named = exchange(handle)
                return Handle.handOver(
                    Boxed(direction.isRequest ? named.requestResumption() : named.responseResumption()))
            },
            resumption_is_valid: { resumption($0).isValid },
            resumption_resume: { unsafe resumption($0).resume(Verdict(taking: $1)) },
            exchange_collect: { handle, direction, limit, allowsPartial in
                let named = exchange(handle)
                let limit = limit < 0 ? nil : ByteCount(limit)
                return direction.isRequest
                    ? named.collectRequestBody(limit: limit, allowsPartial: allowsPartial)
                    : named.collectResponseBody(limit: limit)
            },
            exchange_length_changes: { handle, direction in
                let named = exchange(handle)
                direction.isRequest ? named.requestBodyLengthChanges() : named.responseBodyLengthChanges()
            },
            exchange_collected: { handle, direction, room in
                let named = exchange(handle)
                let body = direction.isRequest ? named.collectedRequestBody : named.collectedResponseBody
                guard let body else { return unsafe martlet_room.nothing }
                return unsafe room.fill(body.span)
            },
            chunk_replace: { unsafe chunk($0).pointee.replace(with: $1.array) },
            chunk_keep: { unsafe Handle.handOver(Boxed(chunk($0).pointee.slice)) },

            make_reply: {
                Handle.handOver(unsafe Reply(status: $0, headers: $1, body: $2, reason: $3, flag: $4))
            },

            request_method: { request($0) { unsafe martlet_borrowed_bytes(lending: $0.methodBytes()) } },
            request_target: { request($0) { unsafe martlet_borrowed_bytes(lending: $0.target()) } },
            request_set_method: { handle, bytes in
                unsafe bytes.withSpan { bytes in request(handle) { $0.setMethod(bytes) } }
            },
            request_set_target: { handle, bytes in
                unsafe bytes.withSpan { bytes in request(handle) { $0.setTarget(bytes) } }
            },
            request_body: { request($0) { $0.body.lent } },
            request_set_body: { handle, body in request(handle) { $0.body = BodyLength(lent: body) } },
            request_version: { request($0) { $0.version.lent } },
            request_scheme: { request($0) { $0.scheme.lent } },
            request_set_scheme: { handle, scheme in
                request(handle) { $0.scheme = scheme == UInt32(MARTLET_HTTPS) ? .https : .http }
            },
            response_status: { response($0) { $0.status } },
            response_set_status: { handle, status, forgetsReason in
                // Another number is no status, and a response with it could not be sent.
                guard (100...599).contains(status) else { return }
                response(handle) { forgetsReason ? $0.setStatus(status) : ($0.status = status) }
            },
            response_reason: {
                response($0) { head in
                    guard let reason = head.reason() else { return unsafe martlet_borrowed_bytes.none }
                    return unsafe martlet_borrowed_bytes(lending: reason)
                }
            },
            response_set_reason: { handle, bytes in
                unsafe bytes.withSpan { bytes in response(handle) { $0.setReason(bytes) } }
            },
            response_body: { response($0) { $0.body.lent } },
            response_set_body: { handle, body in response(handle) { $0.body = BodyLength(lent: body) } },
            response_version: { response($0) { $0.version.lent } },

            make_headers: { Handle.handOver(HeaderTable()) },
            headers_count: { headers($0) { $0.count } },
            headers_size: { headers($0) { $0.size } },
            headers_remove_all: { headers($0) { $0.removeAll() } },
            headers_name: { handle, index in
                headers(handle) { table in
                    guard index >= 0, index < table.count else { return unsafe martlet_borrowed_bytes.none }
                    return unsafe martlet_borrowed_bytes(lending: table.name(at: index))
                }
            },
            headers_value: { handle, index in
                headers(handle) { table in
                    guard index >= 0, index < table.count else { return unsafe martlet_borrowed_bytes.none }
                    return unsafe martlet_borrowed_bytes(lending: table.value(at: index))
                }
            },
            headers_index: { handle, name, from in
                headers(handle) { table in
                    unsafe name.withSpan { table.firstIndex(named: $0, from: max(from, 0)) } ?? martlet_room.nothing
                }
            },
            headers_first: { handle, name in
                headers(handle) { table in
                    guard let index = unsafe name.withSpan({ table.firstIndex(named: $0) }) else {
                        return unsafe martlet_borrowed_bytes.none
                    }
                    return unsafe martlet_borrowed_bytes(lending: table.value(at: index))
                }
            },
            headers_append: { handle, name, value in
                unsafe name.withSpan { name in
                    unsafe value.withSpan { value in headers(handle) { $0.append(named: name, value) } }
                }
            },
            headers_set: { handle, name, value in
                unsafe name.withSpan { name in
                    unsafe value.withSpan { value in headers(handle) { $0.set(named: name, value) } }
                }
            },
            headers_replace: { handle, index, value in
                unsafe value.withSpan { value in
                    headers(handle) { if index >= 0, index < $0.count { $0.replaceValue(at: index, value) } }
                }
            },
            headers_remove: { handle, name in
                unsafe name.withSpan { name in headers(handle) { $0.remove(named: name) } }
            },
            headers_remove_at: { handle, index in
                headers(handle) { if index >= 0, index < $0.count { $0.remove(at: index) } }
            },

            timer_cancel: { Handle.object($0, as: TimerHandle.self).cancel() },
            call_cancel: { Handle.object($0, as: CallHandle.self).cancel() },
            stream_send: { handle, bytes in unsafe bytes.withSpan { stream(handle).send($0) } },
            stream_end: { stream($0).endRequest() },
            stream_is_full: { stream($0).isFull },
            stream_pause: { stream($0).pause() },
            stream_resume: { stream($0).resume() },
            stream_cancel: { stream($0).cancel() })
    }
}

@safe private func load(_ handle: OpaquePointer) -> LoadHandle {
    Handle.object(handle, as: LoadHandle.self)
}
@safe private func context(_ handle: OpaquePointer) -> FilterContext {
    Handle.object(handle, as: FilterContext.self)
}
@safe private func exchange(_ handle: OpaquePointer) -> Exchange {
    Handle.object(handle, as: Exchange.self)
}
@safe private func downstream(_ handle: OpaquePointer) -> Downstream? { exchange(handle).downstream }
@safe private func identity(_ handle: OpaquePointer) -> Identity {
    Handle.object(handle, as: Identity.self)
}
@safe private func resumption(_ handle: OpaquePointer) -> Resumption {
    Handle.object(handle, as: Boxed<Resumption>.self).value
}
@safe private func stream(_ handle: OpaquePointer) -> CallStream {
    Handle.object(handle, as: CallStream.self)
}
private func chunk(_ handle: OpaquePointer) -> UnsafeMutablePointer<BodyChunk> {
    unsafe UnsafeMutablePointer(handle)
}

// For what every request does: no reference is counted.
@inline(__always)
@safe private func headers<Result>(_ handle: OpaquePointer, _ body: (HeaderTable) -> Result) -> Result {
    Handle.with(handle, as: HeaderTable.self, body)
}
@inline(__always)
@safe private func request<Result>(_ handle: OpaquePointer, _ body: (RequestHead) -> Result) -> Result {
    Handle.with(handle, as: RequestHead.self, body)
}
@inline(__always)
@safe private func response<Result>(_ handle: OpaquePointer, _ body: (ResponseHead) -> Result) -> Result {
    Handle.with(handle, as: ResponseHead.self, body)
}

extension UInt64 {
    fileprivate var asDuration: Duration { .nanoseconds(Int64(clamping: self)) }
}

extension UInt32 {
    fileprivate var isRequest: Bool { self == UInt32(MARTLET_REQUEST) }
}

extension martlet_borrowed_fields {
    fileprivate var labels: [(String, String)] { unsafe pairs.map { ($0.name, $0.value) } }
}

extension Scheme {
    fileprivate var lent: UInt32 { UInt32(self == .https ? MARTLET_HTTPS : MARTLET_PLAIN_HTTP) }
}

extension HTTPVersion {
    fileprivate var lent: UInt32 {
        switch self {
        case .http10: UInt32(MARTLET_HTTP10)
        case .http11: UInt32(MARTLET_HTTP11)
        case .http2: UInt32(MARTLET_HTTP2)
        }
    }
}

extension BodyLength {
    fileprivate init(lent: martlet_body_length) {
        switch Int(lent.kind) {
        case MARTLET_BODY_EXACTLY: self = .exactly(lent.bytes)
        case MARTLET_BODY_CHUNKED: self = .chunked
        case MARTLET_BODY_UNTIL_CLOSE: self = .untilClose
        default: self = .none
        }
    }

    fileprivate var lent: martlet_body_length {
        switch self {
        case .none: martlet_body_length(kind: UInt32(MARTLET_BODY_NONE), bytes: 0)
        case .exactly(let bytes): martlet_body_length(kind: UInt32(MARTLET_BODY_EXACTLY), bytes: bytes)
        case .chunked: martlet_body_length(kind: UInt32(MARTLET_BODY_CHUNKED), bytes: 0)
        case .untilClose: martlet_body_length(kind: UInt32(MARTLET_BODY_UNTIL_CLOSE), bytes: 0)
        }
    }
}
