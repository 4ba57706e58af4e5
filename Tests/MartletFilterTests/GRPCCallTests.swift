import MartletCore
import MartletFilter
import MartletGRPC
import MartletHTTP
import Testing

/// A worker whose one streamed call the test carries.
private final class CarryingWorker: WorkerServices, CallStreamCarrier {
    let metrics = Metrics()
    let now = Instant(nanoseconds: 1)
    let workerIndex = 0
    private(set) var request: CallRequest?
    private(set) var sent: [UInt8] = []
    private(set) var hasEnded = false
    private(set) var isCancelled = false
    var isFull = false
    /// Told before the call is there.
    var firstFailure: CallFailure?
    private var events: ((CallEvent) -> Void)?
    let table = HeaderTable()

    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        self.request = request
        self.events = events
        if let firstFailure { events(.failed(firstFailure)) }
        return CallStream(self)
    }

    func tell(_ event: CallEvent) { events?(event) }

    func head(_ status: UInt16 = 200, _ fields: [(String, String)] = [("content-type", "application/grpc")]) {
        let head = ResponseHead()
        head.status = status
        for (name, value) in fields { head.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
        tell(.head(head))
    }

    func end(_ fields: [(String, String)]) {
        for (name, value) in fields { table.append(named: name.utf8Span.span, value.utf8Span.span) }
        tell(.ended)
    }

    var trailers: HeaderTable? { table }
    func send(_ bytes: Span<UInt8>) { sent += bytes.array() }
    func endRequest() { hasEnded = true }
    func checkFull() -> Bool { isFull }
    func pause() {}
    func resume() {}
    func cancel() { isCancelled = true }

    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        CallHandle(cancel: {})
    }
    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle { TimerHandle(cancel: {}) }
    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?) {}
    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject { make() }
}

/// What a call told, in words.
private final class Told {
    var events: [String] = []
    func hear(_ event: GRPCEvent) {
        switch event {
        case .head: events.append("head")
        case .message(let bytes): events.append("message \(String(decoding: bytes, as: UTF8.self))")
        case .writable: events.append("writable")
        case .ended(let end):
            events.append("ended \(end.status) \(end.message)\(end.failure.map { " (\($0.rawValue))" } ?? "")")
        }
    }
}

@Suite("gRPC calls of our own")
struct GRPCCallTests {
    private static func request() -> GRPCRequest {
        var request = GRPCRequest(cluster: "c", path: "/s.S/M", authority: "a")
        request.timeout = .milliseconds(1500)
        request.metadata = [
            (HeaderName(known: "x-team"), "red"), (.contentType, "text/plain"), (.grpcTimeout, "9S"),
        ]
        request.maxMessage = 100
        return request
    }

    private static func begin() -> (CarryingWorker, Told, GRPCCall) {
        let (worker, told) = (CarryingWorker(), Told())
        return (worker, told, worker.grpc(request(), of: nil) { told.hear($0) })
    }

    private static func body(_ bytes: [UInt8]) -> CallEvent { .body(ByteSlice(copying: bytes)) }

    @Test("What is asked, messages both ways, and the end from the trailers")
    func call() throws {
        let (worker, told, call) = Self.begin()
        let asked = try #require(worker.request)
        #expect(asked.method == "POST" && asked.path == "/s.S/M" && asked.authority == "a" && asked.cluster == "c")
        #expect(asked.streamsBody && asked.wantsTrailers && asked.timeout == .milliseconds(1500))
        #expect(
            asked.headers.map { "\($0.name): \($0.value)" } == [
                "content-type: application/grpc", "grpc-timeout: 1500000u", "x-team: red",
            ])
        call.send([1, 2])
        call.send([])
        call.finishSending()
        #expect(worker.sent == [0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0] && worker.hasEnded)
        worker.isFull = true
        #expect(call.isFull)
        worker.tell(.writable)
        worker.head()
        let body = MessageEncoder.encode(Array("one".utf8)) + MessageEncoder.encode(Array("two".utf8))
        for byte in body { worker.tell(Self.body([byte])) }
        worker.end([("grpc-status", "5"), ("grpc-message", "a%20b%0Ac")])
        worker.tell(.ended)
        #expect(told.events == ["writable", "head", "message one", "message two", "ended NOT_FOUND a b\nc"])
        #expect(!call.isFull)
        call.send([1])
        #expect(worker.sent.count == 12)
    }

    @Test("A response that is its end alone")
    func endAlone() {
        let (worker, told, _) = Self.begin()
        worker.head(200, [("content-type", "application/grpc+proto"), ("grpc-status", "14"), ("grpc-message", "busy")])
        worker.tell(.ended)
        #expect(told.events == ["ended UNAVAILABLE busy"])
    }

    @Test("Responses that are no gRPC, or not as they should be")
    func faults() {
        for (status, fields, expected) in [
            (503, [("content-type", "text/plain")], "ended UNAVAILABLE HTTP status 503, and no gRPC"),
            (200, [("content-type", "text/html")], "ended UNKNOWN HTTP status 200, and no gRPC"),
            (401, [("content-type", "application/grpc")], "ended UNAUTHENTICATED HTTP status 401, and no gRPC"),
        ] as [(UInt16, [(String, String)], String)] {
            let (worker, told, _) = Self.begin()
            worker.head(status, fields)
            worker.end([("grpc-status", "0")])
            #expect(told.events == [expected])
            #expect(worker.isCancelled)
        }
        for (bytes, trailers, expected) in [
            ([0, 0, 0, 0, 200], nil, "ended RESOURCE_EXHAUSTED message larger than the limit"),
            ([1, 0, 0, 0, 0], nil, "ended INTERNAL message is compressed and nothing was agreed on"),
            ([7, 0, 0, 0, 0], nil, "ended INTERNAL message flags that are not known"),
            ([0, 0, 0, 0, 9, 1], "0", "ended INTERNAL stream ends within a message"),
            ([0, 0, 0, 0, 9, 1], "9", "ended FAILED_PRECONDITION "),
            ([], "", "ended UNKNOWN the response has no grpc-status"),
        ] as [([UInt8], String?, String)] {
            let (worker, told, _) = Self.begin()
            worker.head()
            if !bytes.isEmpty { worker.tell(Self.body(bytes)) }
            if let trailers { worker.end(trailers.isEmpty ? [] : [("grpc-status", trailers)]) }
            #expect(told.events == ["head", expected])
            #expect(worker.isCancelled == (trailers == nil))
        }
    }

    @Test(
        "Calls that get no response",
        arguments: [
            (.timeout, "DEADLINE_EXCEEDED"), (.reset, "UNAVAILABLE"), (.noHealthyUpstream, "UNAVAILABLE"),
            (.invalidRequest, "INTERNAL"), (.tooLarge, "RESOURCE_EXHAUSTED"), (.overflow, "UNAVAILABLE"),
        ] as [(CallFailure, String)])
    func failures(failure: CallFailure, status: String) {
        let (worker, told) = (CarryingWorker(), Told())
        worker.firstFailure = failure
        let early = worker.grpc(Self.request(), of: nil) { told.hear($0) }
        #expect(told.events == ["ended \(status) \(failure.rawValue) (\(failure.rawValue))"])
        early.send([1])
        #expect(worker.sent.isEmpty)
        let (later, heard, _) = Self.begin()
        later.head()
        later.tell(.failed(failure))
        #expect(heard.events == ["head", "ended \(status) \(failure.rawValue) (\(failure.rawValue))"])
    }

    @Test("Nothing is heard of a call that was cancelled, from within an event too")
    func cancelled() {
        let worker = CarryingWorker()
        var call: GRPCCall?
        var count = 0
        call = worker.grpc(Self.request(), of: nil) { event in
            count += 1
            if case .message = event { call?.cancel() }
        }
        worker.head()
        worker.tell(Self.body([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
        worker.end([("grpc-status", "0")])
        #expect(count == 2 && worker.isCancelled)
        call?.send([1])
        #expect(worker.sent.isEmpty)
    }
}
