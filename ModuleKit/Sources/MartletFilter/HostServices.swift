internal import CMartletModule
internal import MartletCore

/// What a worker of the host does for an exchange, or for a filter when no exchange is named.
@safe
struct HostServices {
    private let exchange: OpaquePointer?
    private let context: OpaquePointer?

    init(exchange: OpaquePointer) {
        unsafe self.exchange = unsafe exchange
        unsafe context = nil
    }

    init(context: OpaquePointer) {
        unsafe self.context = unsafe context
        unsafe exchange = nil
    }

    func call(_ request: CallRequest, of _: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        let action = unsafe Action(.call(done)).handedOver()
        let call: OpaquePointer? = unsafe request.lend { request in
            if let exchange = unsafe exchange {
                return unsafe martlet_of_host().pointee.exchange_call(exchange, request, action)
            }
            return unsafe context.map { unsafe martlet_of_host().pointee.context_call($0, request, action) }
        }
        guard let call = unsafe call else { return CallHandle {} }
        let object = unsafe HostObject(unsafe call)
        return CallHandle { unsafe martlet_of_host().pointee.call_cancel(object.handle) }
    }

    func stream(_ request: CallRequest, of _: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream? {
        let action = unsafe Action(.stream(events)).handedOver()
        let stream: OpaquePointer? = unsafe request.lend { request in
            if let exchange = unsafe exchange {
                return unsafe martlet_of_host().pointee.exchange_stream(exchange, request, action)
            }
            return unsafe context.flatMap { unsafe martlet_of_host().pointee.context_stream($0, request, action) }
        }
        guard let stream = unsafe stream else { return nil }
        return unsafe CallStream(HostStream(HostObject(unsafe stream)))
    }

    func schedule(after delay: Nanoseconds, _ run: @escaping () -> Void) -> TimerHandle {
        let action = unsafe Action(.timer(run)).handedOver()
        let timer: OpaquePointer?
        if let exchange = unsafe exchange {
            unsafe timer = unsafe martlet_of_host().pointee.exchange_after(exchange, delay.rawValue, action)
        } else {
            unsafe timer = unsafe context.map {
                unsafe martlet_of_host().pointee.context_after($0, delay.rawValue, action)
            }
        }
        guard let timer = unsafe timer else { return TimerHandle {} }
        let object = unsafe HostObject(unsafe timer)
        return TimerHandle { unsafe martlet_of_host().pointee.timer_cancel(object.handle) }
    }

    func log(_ level: LogLevel, _ message: String, of _: Exchange?) {
        let number = UInt32(level.rawValue)
        Border.lend(message) { message in
            if let exchange = unsafe exchange {
                unsafe martlet_of_host().pointee.exchange_log(exchange, number, message)
            } else if let context = unsafe context {
                unsafe martlet_of_host().pointee.context_log(context, number, message)
            }
        }
    }

    var now: Instant {
        if let exchange = unsafe exchange {
            return Instant(nanoseconds: unsafe martlet_of_host().pointee.exchange_now(exchange))
        }
        guard let context = unsafe context else { return .now() }
        return Instant(nanoseconds: unsafe martlet_of_host().pointee.context_now(context))
    }
}

/// The host's side of a streamed call.
private final class HostStream: CallStreamCarrier {
    private let object: HostObject
    init(_ object: HostObject) { self.object = object }

    func send(_ bytes: Span<UInt8>) {
        Border.lend(bytes) { unsafe martlet_of_host().pointee.stream_send(object.handle, $0) }
    }
    func endRequest() { unsafe martlet_of_host().pointee.stream_end(object.handle) }
    func checkFull() -> Bool { unsafe martlet_of_host().pointee.stream_is_full(object.handle) }
    func pause() { unsafe martlet_of_host().pointee.stream_pause(object.handle) }
    func resume() { unsafe martlet_of_host().pointee.stream_resume(object.handle) }
    func cancel() { unsafe martlet_of_host().pointee.stream_cancel(object.handle) }
}

extension CallRequest {
    fileprivate func lend<Result>(_ body: (UnsafePointer<martlet_borrowed_call_request>) -> Result) -> Result {
        let (seconds, attoseconds) = timeout.components
        let isNone = seconds <= 0 && attoseconds <= 0
        let nanoseconds = isNone ? 0 : max(Nanoseconds(timeout).rawValue, 1)
        return Border.lend([(name: cluster, value: method), (name: path, value: authority)]) { texts in
            Border.lend(headers.map { (name: $0.name.description, value: $0.value) }) { fields in
                Border.lend(self.body) { bytes in
                    let first = unsafe texts.start.unsafelyUnwrapped
                    let second = unsafe first + 1
                    var request = unsafe martlet_borrowed_call_request(
                        cluster: first.pointee.name, method: first.pointee.value, path: second.pointee.name,
                        authority: second.pointee.value, headers: fields,
                        more_headers: self.fields?.lent, body: bytes, streams_body: streamsBody,
                        timeout: nanoseconds, max_response_body: UInt64(max(maxResponseBody.bytes, 0)))
                    return unsafe body(&request)
                }
            }
        }
    }
}
