internal import Foundation
internal import Testing

@testable internal import MartletControl
@testable internal import MartletControlServer

@Suite("What a session of a proxy is to look at next")
struct SessionInboxTests {
    private static func publication(_ revision: Revision) -> Publication {
        Publication(snapshot: Snapshot(), revision: revision, time: 0)
    }

    /// The next one, in words.
    private static func next(_ inbox: SessionInbox<Int>) async -> String {
        switch await inbox.next() {
        case .request(let number): "request \(number)"
        case .publication(let publication): "publication \(publication.revision)"
        case .resumed: "resumed"
        case .ended: "ended"
        }
    }

    @Test("Of what is published the newest, and the end comes last")
    func order() async {
        let inbox = SessionInbox<Int>()
        for revision in 1...3 { inbox.put(Self.publication(Revision(revision))) }
        inbox.resume()
        let reader = Task { await inbox.send(7) }
        inbox.end()
        await reader.value
        var seen: Set<String> = []
        while true {
            let word = await Self.next(inbox)
            if word == "ended" { break }
            seen.insert(word)
        }
        #expect(seen == ["request 7", "publication 3", "resumed"])
        #expect(await Self.next(inbox) == "ended")
    }

    @Test("Before its first publication a session is given nothing else")
    func first() async {
        let inbox = SessionInbox<Int>()
        let reader = Task { await inbox.send(1) }
        let first = Task { await inbox.firstPublication()?.revision }
        inbox.resume()
        inbox.put(Self.publication(4))
        #expect(await first.value == 4)
        #expect(await Self.next(inbox) == "request 1")
        await reader.value
        inbox.end()
        #expect(await inbox.firstPublication() == nil)
    }

    @Test("Requests and what is published take turns")
    func fairness() async {
        let inbox = SessionInbox<Int>()
        let reader = Task { for number in 0..<1000 where !Task.isCancelled { await inbox.send(number) } }
        var (requests, wasRequest) = (0, false)
        for _ in 0..<1_000_000 where requests < 1000 {
            inbox.put(Self.publication(1))
            let isRequest = await Self.next(inbox).hasPrefix("request")
            #expect(!isRequest || !wasRequest)
            wasRequest = isRequest
            if isRequest { requests += 1 } else { await Task.yield() }
        }
        #expect(requests == 1000)
        inbox.end()
        await reader.value
    }

    @Test("Every request is looked at once, in order, and a reader waits for room")
    func requests() async {
        let inbox = SessionInbox<Int>()
        let count = 2000
        let reader = Task {
            for number in 0..<count { await inbox.send(number) }
            inbox.end()
        }
        let publisher = Task { for number in 0..<count { inbox.put(Self.publication(Revision(number))) } }
        var wanted = 0
        loop: while true {
            switch await inbox.next() {
            case .request(let number):
                #expect(number == wanted)
                wanted += 1
            case .ended: break loop
            case .publication, .resumed: break
            }
        }
        #expect(wanted == count)
        await reader.value
        await publisher.value
    }

    @Test("Whoever waits for something is told of the end, cancelled or not", arguments: [true, false])
    func endOfSession(isFirst: Bool) async throws {
        for isCancelled in [true, false] {
            let inbox = SessionInbox<Int>()
            let session = Task {
                isFirst ? await inbox.firstPublication().map { "\($0.revision)" } ?? "ended" : await Self.next(inbox)
            }
            try await eventually { inbox.waiting.session }
            if isCancelled { session.cancel() } else { inbox.end() }
            #expect(await session.value == "ended")
        }
    }

    @Test("A reader waits for room, until there is some or an end")
    func endOfReader() async throws {
        let inbox = SessionInbox<Int>()
        let reader = Task {
            await inbox.send(1)
            await inbox.send(2)
        }
        try await eventually { inbox.waiting.reader }
        #expect(await Self.next(inbox) == "request 1")
        try await eventually { inbox.waiting.reader }
        inbox.end()
        await reader.value
        #expect(await Self.next(inbox) == "request 2")
    }

    private func eventually(_ holds: () -> Bool) async throws {
        for _ in 0..<1_000_000 where !holds() { await Task.yield() }
        try #require(holds())
    }
}
