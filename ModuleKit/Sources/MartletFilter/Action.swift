package import CMartletModule
internal import MartletCore
internal import MartletHTTP

/// What the host is to call later. The host holds it until it has heard for the last time.
@safe
package final class Action {
    enum Run {
        case timer(() -> Void)
        case call((CallResult) -> Void)
        case stream((CallEvent) -> Void)
    }
    private let run: Run

    init(_ run: Run) { self.run = run }

    func handedOver() -> martlet_owned_action {
        unsafe martlet_owned_action(
            action: OpaquePointer(Unmanaged.passRetained(self).toOpaque()), module: martlet_own_table())
    }

    package static func lent(_ handle: OpaquePointer) -> Action {
        unsafe Unmanaged<Action>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }

    package func fire() {
        if case .timer(let run) = run { run() }
    }

    package func done(_ result: martlet_call_result) {
        let head = unsafe result.response.map { unsafe ResponseHead(owned: $0, headers: result.headers) }
        guard case .call(let run) = run else { return }
        guard let head else { return unsafe run(.failure(CallFailure(lent: unsafe result.failure))) }
        run(.response(CallResponse(head: head, body: unsafe result.body.array)))
    }

    package func heard(_ event: martlet_stream_event) {
        let head = unsafe event.response.map { unsafe ResponseHead(owned: $0, headers: event.headers) }
        let piece = unsafe event.slice.map { unsafe ByteSlice(event.bytes, of: $0) }
        guard case .stream(let run) = run else { return }
        switch Int(unsafe event.kind) {
        case MARTLET_STREAM_HEAD: if let head { run(.head(head)) }
        case MARTLET_STREAM_BODY: if let piece { run(.body(piece)) }
        case MARTLET_STREAM_ENDED: run(.ended)
        case MARTLET_STREAM_WRITABLE: run(.writable)
        default: unsafe run(.failed(CallFailure(lent: unsafe event.failure)))
        }
    }
}

extension CallFailure {
    fileprivate init(lent name: martlet_borrowed_bytes) { self = CallFailure(rawValue: unsafe name.text) ?? .reset }
}

extension ByteSlice {
    /// Bytes of the host's that live as long as `owner`, which is given back with the slice.
    package init(_ bytes: martlet_borrowed_bytes, of owner: OpaquePointer) {
        let count = unsafe bytes.count
        let buffer = unsafe ByteBuffer(UnsafeBufferPointer(start: bytes.start, count: count), of: owner)
        self.init(buffer, 0..<count)
    }
}
