internal import MartletCore

/// Something of the host's that this module owns, given back when nobody here needs it any more.
@safe
final class HostObject {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) { unsafe self.handle = unsafe handle }
    deinit { Border.release(unsafe handle) }
}
