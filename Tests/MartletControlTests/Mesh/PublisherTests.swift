import MartletControl
import Testing

@Suite("Who is told what, and when")
struct PublisherTests {
    @Test("Before the store has been read a proxy is told nothing, rather than that there is nothing")
    func unknown() async throws {
        let publisher = Publisher(now: { 0 })
        let membership = await publisher.join(ProxyIdentity(id: "early"))
        let first = Task { await membership.publications.first { _ in true }?.revision }
        // Time for it to be told too early.
        for _ in 0..<1000 { await Task.yield() }
        await publisher.publish(Mesh(revision: 7, documents: [:]))
        #expect(await first.value == 7)
        let later = await publisher.join(ProxyIdentity(id: "late"))
        #expect(await later.publications.first { _ in true }?.revision == 7)
    }
}
