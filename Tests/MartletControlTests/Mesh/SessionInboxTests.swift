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

    @Test("A client that asks without end does not keep out what is published")
    func fairness() async {
        let inbox = SessionInbox<Int>()
        let reader = Task { for number in 0..<1000 where !Task.isCancelled { await inbox.send(number) } }
        var requests = 0
        while requests < 1000 {
            inbox.put(Self.publication(1))
            let words = [await Self.next(inbox), await Self.next(inbox)]
            #expect(words.contains("publication 1"))
            requests += words.count { $0.hasPrefix("request") }
        }
        inbox.end()
        reader.cancel()
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

    @Test("Whoever is cancelled while it waits is told of the end, and so is a reader without room")
    func cancellation() async {
        let inbox = SessionInbox<Int>()
        let session = Task { await Self.next(inbox) }
        session.cancel()
        #expect(await session.value == "ended")
        let other = SessionInbox<Int>()
        let reader = Task { await other.send(1) }
        other.end()
        await reader.value
    }
}
