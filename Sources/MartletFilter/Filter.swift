// MartletFilter is the one public API: what a filter is, what it sees of an exchange, and how a chain of them runs.
// It never touches a socket or a thread; MartletProxy drives it, and tests drive it with a scripted host.

public import MartletCore

/// Which hooks a filter wants. The chain keeps one list a hook, so a hook nobody asked for costs nothing.
public struct Hooks: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let requestHead = Hooks(rawValue: 1 << 0)
    public static let requestBody = Hooks(rawValue: 1 << 1)
    public static let requestTrailers = Hooks(rawValue: 1 << 2)
    public static let responseHead = Hooks(rawValue: 1 << 3)
    public static let responseBody = Hooks(rawValue: 1 << 4)
    public static let responseTrailers = Hooks(rawValue: 1 << 5)
    public static let end = Hooks(rawValue: 1 << 6)
    /// For body hooks that have something to add at a body's end: the end shows as a chunk with `isLast` even where
    /// nothing but trailers, or the end of the chunks, tells it; that chunk is then mostly empty.
    public static let bodyEnd = Hooks(rawValue: 1 << 7)
}

/// A built-in or native filter. One object per worker and chain position, called only on that worker's thread.
///
/// Request hooks run in chain order, response hooks in reverse. A filter keeps no state of a request in itself: it asks
/// its `FilterContext` for a `Slot` and keeps the state there. Every hook not overridden answers `next`; list in `hooks`
/// the ones you implement, or they are not called.
public protocol Filter: AnyObject {
    var hooks: Hooks { get }

    /// The request head is complete; the body, if any, has not been read.
    func onRequestHead(_ exchange: Exchange) -> Verdict
    /// A piece of the request body. It may be replaced; `isLast` says that no more follows (trailers may).
    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict
    /// The request's trailers, after its body. Called only when there are any.
    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict
    /// The response head is there, from upstream or from a local reply, and has not been sent.
    func onResponseHead(_ exchange: Exchange) -> Verdict
    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict
    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict
    /// The exchange is over, however it ended. Called exactly once.
    func onEnd(_ exchange: Exchange)
}

extension Filter {
    public func onRequestHead(_ exchange: Exchange) -> Verdict { .next }
    public func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict { .next }
    public func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict { .next }
    public func onResponseHead(_ exchange: Exchange) -> Verdict { .next }
    public func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict { .next }
    public func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict { .next }
    public func onEnd(_ exchange: Exchange) {}
}
