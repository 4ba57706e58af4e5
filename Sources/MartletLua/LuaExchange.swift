internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Goes on with a run that waited.
protocol LuaWaker: AnyObject {
    func woken(_ state: LuaExchange, responds: Bool)
}

/// One exchange as one policy sees it: what its host functions work on, the runs of its hooks and what they wait for.
///
/// Pooled by its filter. It stays with an exchange, in the filter's slot, only while a run waits or the script keeps
/// something in `context()`; an ordinary hook borrows one for the length of its run.
@safe
final class LuaExchange {
    /// What a run waits for.
    enum Wait {
        case body, chunk, trailers, calls, sleep
    }

    /// One direction: the hook's run and how far the message has come.
    final class Side {
        /// The run that waits; nil when none does.
        var run: SuspendedRun?
        var wait: Wait?
        /// Resumes what the filter holds for the run.
        var resumption: Resumption?
        var isHeadPassed = false
        /// Some of the body has gone by.
        var hasSeenBody = false
        /// No more of the body comes.
        var isBodyOver = false
        var hasTrailers = false
        /// The script has begun to take chunks.
        var takesChunks = false

        /// As new. An ordinary hook leaves little behind, and this runs for each of them.
        func reset() {
            if run != nil { run = nil }
            wait = nil
            if resumption != nil { resumption = nil }
            isHeadPassed = false
            hasSeenBody = false
            isBodyOver = false
            hasTrailers = false
            takesChunks = false
        }
    }

    private(set) var exchange: Exchange?
    let vm: PolicyVM
    /// Who goes on with a run when its wait is over; only while one waits.
    var waker: (any LuaWaker)?
    let request = Side()
    let response = Side()
    /// The side whose run runs or was resumed last.
    var isResponding = false
    /// The exchange is over: nothing can be held or changed.
    var isLogging = false
    /// The VM is running a script of this exchange just now.
    var isRunning = false
    /// What `handle:context()` keeps in the VM; 0 when nothing.
    var kept: Int32 = 0
    var parameters: Int32 = 0
    /// Under which its VM keeps a run that waits without an exchange.
    var number = 0
    /// The policy is tried, not applied.
    var shadow: LuaShadow?

    /// What a wait for a chunk or for trailers came to.
    var outcome = Int32(MRT_CODE_NOTHING)
    /// The piece of body that is being looked at.
    var chunk: ByteSlice?
    var replacement: [UInt8]?
    var calls: [LuaCall] = []
    var openCall: CallRequest?
    var pendingCalls = 0
    /// Dynamic metadata and filter state that the policy set.
    var valuesSet = 0
    var valueBytesSet = 0
    /// Lines that the policy logged.
    var linesLogged = 0
    /// Text lent to the script.
    var scratch: [UInt8] = []
    /// `:status` in digits, lent to the script.
    let digits = UnsafeMutablePointer<UInt8>.allocate(capacity: 4)

    private var replyStatus: UInt16 = 0
    private var replyHeaders: [(name: HeaderName, value: String)] = []
    private var replyBody: [UInt8] = []

    init(_ vm: PolicyVM) { self.vm = vm }

    deinit { unsafe digits.deallocate() }

    func begin(_ exchange: Exchange) { self.exchange = exchange }

    /// Before `on_log`: what the other hooks waited for is no more.
    func beginLog() {
        isLogging = true
        isResponding = false
        pendingCalls = 0
    }

    /// `on_log` waits and the exchange is over: from here on the run is like a timer's, with what `context()` keeps.
    func leaveExchange(for waker: any LuaWaker) {
        exchange = nil
        self.waker = waker
    }

    /// What a run waited for is there. While the script runs it finds that out for itself.
    func woken(responds: Bool) {
        let side = responds ? response : request
        guard !isRunning, side.run != nil else { return }
        waker?.woken(self, responds: responds)
    }

    private static let maxLines = 100

    /// A script may not drown what others have to say. The last line it gets says that there were more.
    func mayLog() -> Bool {
        linesLogged += 1
        if linesLogged == Self.maxLines {
            vm.context.log(.warning, "policy \(vm.policy.name): further lines of this run are dropped")
        }
        return linesLogged < Self.maxLines
    }

    /// Something of it is needed after the hook has returned.
    var isNeeded: Bool { kept != 0 || request.run != nil || response.run != nil || shadow != nil }

    /// Gives up what waits, lets go of what the VM keeps, and is as new.
    func end() {
        if let run = request.run { vm.lua.drop(run) }
        if let run = response.run { vm.lua.drop(run) }
        if kept != 0 { vm.lua.forget(kept) }
        exchange = nil
        if waker != nil { waker = nil }
        request.reset()
        response.reset()
        isResponding = false
        isLogging = false
        kept = 0
        if shadow != nil { shadow = nil }
        if chunk != nil { chunk = nil }
        if replacement != nil { replacement = nil }
        if !calls.isEmpty {
            endStreams()
            calls = []
        }
        if openCall != nil { openCall = nil }
        pendingCalls = 0
        valuesSet = 0
        valueBytesSet = 0
        linesLogged = 0
        if !replyHeaders.isEmpty { replyHeaders = [] }
        if !replyBody.isEmpty { replyBody = [] }
    }

    var side: Side { isResponding ? response : request }

    // MARK: Reply

    /// The reply as the script left it.
    func takeReply() -> Reply { Reply(status: replyStatus, headers: replyHeaders, body: replyBody, reason: nil) }

    func beginReply(_ status: Int32) -> Int32 {
        guard exchange != nil else { return Int32(MRT_CODE_NO_REQUEST) }
        guard !isLogging, !side.isHeadPassed || shadow != nil else { return Int32(MRT_CODE_CONTINUED) }
        replyStatus = UInt16(clamping: status)
        replyHeaders = []
        replyBody = []
        return Int32(MRT_CODE_OK)
    }

    func addReply(_ name: Span<UInt8>, _ value: Span<UInt8>) -> Int32 {
        guard let name = HeaderName(name.string()) else { return Int32(MRT_CODE_BAD_NAME) }
        guard replyHeaders.count < 100 else { return Int32(MRT_CODE_TOO_LARGE) }
        replyHeaders.append((name, value.string()))
        return Int32(MRT_CODE_OK)
    }

    func setReplyBody(_ body: Span<UInt8>) -> Int32 {
        replyBody = body.array()
        return Int32(MRT_CODE_OK)
    }
}
