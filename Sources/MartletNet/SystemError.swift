#if canImport(Glibc)
internal import Glibc
#endif

/// A system call that failed, or TLS that did, in words.
package struct SystemError: Error, Sendable, CustomStringConvertible {
    package let call: String
    /// 0 where `tls` says more.
    package let code: Int32
    /// It was not the kernel's doing.
    package let tls: TLSFailure?

    package init(call: String, code: Int32) {
        self.call = call
        self.code = code
        tls = nil
    }

    package init(tls failure: TLSFailure) {
        call = "TLS"
        code = 0
        tls = failure
    }

    package var description: String { "\(call): \(tls?.description ?? Self.text(code))" }

    package static func text(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }

    /// Turns CLinux's negative errno into an error.
    static func check(_ call: String, _ result: Int32) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(call: call, code: -result) }
        return result
    }
}
