internal import CTLS

/// The keys that session tickets are sealed with, shared by all workers and kept across reloads: a session begun on one
/// worker, or under the last configuration, can be taken up on any other.
///
/// `@unchecked Sendable`: the keys behind the pointer have a lock of their own, and their users are counted atomically.
@safe
package final class TLSTicketKeys: @unchecked Sendable {
    let keys: OpaquePointer

    /// Random keys that change by themselves. After `rotation`, at least a second, a new one makes tickets; the two before
    /// it still open them. Default 12 hours.
    package init(rotation: Duration = .seconds(12 * 3600)) throws(TLSFault) {
        guard let keys = unsafe ctls_tickets_make(UInt64(max(rotation.components.seconds, 1))) else {
            throw TLSFault("", .refused)
        }
        unsafe self.keys = keys
    }

    /// Keys shared with other proxies, 48 or 80 bytes each as nginx lays them out: the first makes tickets, all open them.
    /// 1 to 16.
    package init(files: [TLSFile]) throws(TLSFault) {
        for file in files where file.bytes.count != 48 && file.bytes.count != 80 {
            throw TLSFault(file.name, .malformedTicketKey)
        }
        let bytes = files.flatMap(\.bytes)
        let sizes = files.map(\.bytes.count)
        guard let keys = unsafe ctls_tickets_from(bytes, sizes, sizes.count) else {
            throw TLSFault("", files.count > 16 ? .tooManyTicketKeys : .refused)
        }
        unsafe self.keys = keys
    }

    deinit { unsafe ctls_tickets_release(keys) }

    /// Makes a new key now. Nothing happens to keys from files.
    package func rotate() { unsafe ctls_tickets_rotate(keys) }

    /// As if so much time had passed; for tests.
    func age(by time: Duration) { unsafe ctls_tickets_age(keys, UInt64(max(time.components.seconds, 0))) }
}
