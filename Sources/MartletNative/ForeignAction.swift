internal import CMartletModule
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a module wants to be called with later. Given back to it when nobody here can call it any more.
@safe
final class ForeignAction {
    private let table: UnsafePointer<martlet_module>
    private let handle: OpaquePointer

    init(_ action: martlet_owned_action) {
        unsafe handle = unsafe action.action
        unsafe table = unsafe action.module
    }

    deinit { unsafe table.pointee.release(UnsafeMutableRawPointer(handle)) }

    func fire() { unsafe table.pointee.timer_fired(handle) }

    func done(_ result: CallResult) {
        switch result {
        case .failure(let failure):
            unsafe withName(of: failure) { name in
                var lent = unsafe martlet_call_result(failure: name, response: nil, headers: nil, body: .none)
                unsafe table.pointee.call_done(handle, &lent)
            }
        case .response(let response):
            let body = response.body
            unsafe body.withUnsafeBufferPointer { bytes in
                var lent = unsafe martlet_call_result(
                    failure: .none, response: Handle.handOver(response.head),
                    headers: Handle.lend(response.head.headers),
                    body: martlet_borrowed_bytes(start: bytes.baseAddress, count: bytes.count))
                unsafe table.pointee.call_done(handle, &lent)
            }
        }
    }

    func heard(_ event: CallEvent) {
        switch event {
        case .head(let head):
            unsafe hear(
                MARTLET_STREAM_HEAD, response: Handle.handOver(head), headers: Handle.lend(head.headers))
        case .body(let slice):
            let bytes = slice.bytes()
            unsafe hear(
                MARTLET_STREAM_BODY, slice: Handle.handOver(Boxed(slice)),
                bytes: martlet_borrowed_bytes(lending: bytes))
        case .ended: unsafe hear(MARTLET_STREAM_ENDED)
        case .writable: unsafe hear(MARTLET_STREAM_WRITABLE)
        case .failed(let failure): unsafe withName(of: failure) { unsafe hear(MARTLET_STREAM_FAILED, failure: $0) }
        }
    }

    private func hear(
        _ kind: Int, failure: martlet_borrowed_bytes = unsafe .none, response: OpaquePointer? = nil,
        headers: OpaquePointer? = nil, slice: OpaquePointer? = nil, bytes: martlet_borrowed_bytes = unsafe .none
    ) {
        var event = unsafe martlet_stream_event(
            kind: UInt32(kind), failure: failure, response: response, headers: headers, slice: slice, bytes: bytes)
        unsafe table.pointee.stream_event(handle, &event)
    }

    private func withName(of failure: CallFailure, _ body: (martlet_borrowed_bytes) -> Void) {
        let name = failure.rawValue
        unsafe body(martlet_borrowed_bytes(lending: name.utf8Span.span))
    }
}

extension CallRequest {
    init(lent request: martlet_borrowed_call_request) {
        self.init(
            cluster: unsafe request.cluster.text, path: unsafe request.path.text,
            authority: unsafe request.authority.text)
        method = unsafe request.method.text
        // Names that are none would not be sent either.
        headers = unsafe request.headers.pairs.compactMap { pair in
            HeaderName(pair.name).map { (name: $0, value: pair.value) }
        }
        fields = unsafe request.more_headers.map { Handle.object($0, as: HeaderTable.self) }
        body = unsafe request.body.array
        streamsBody = unsafe request.streams_body
        timeout = .nanoseconds(Int64(clamping: unsafe request.timeout))
        maxResponseBody = ByteCount(Int(clamping: unsafe request.max_response_body))
    }
}
