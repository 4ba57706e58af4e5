import Testing

@testable import MartletControl

@Suite("What a registry remembers")
struct InstanceBookTests {
    @Test("There are bounds on a service and on all of them, and what goes makes room")
    func bounds() throws {
        var book = InstanceBook()
        func instance(_ service: Int, _ id: Int) throws -> Instance {
            try Instance(InstanceKey("shop", "\(service)", "\(id)"), address: "10.0.0.1:80")
        }
        for service in 0..<10 {
            for id in 0..<10_000 { book.put(try instance(service, id), until: .seconds(id)) }
        }
        #expect(throws: RegistryError.full(ServiceName("shop", "3"))) {
            try book.checkRoom(for: try InstanceKey("shop", "3", "more"))
        }
        let other = try InstanceKey("shop", "other", "1")
        #expect(throws: RegistryError.crowded) { try book.checkRoom(for: other) }
        try book.checkRoom(for: try InstanceKey("shop", "3", "7"))
        // To write over one takes no room.
        book.put(try instance(3, 7), until: nil)
        book.remove(try InstanceKey("shop", "3", "8"))
        try book.checkRoom(for: other)
        #expect(book.expire(at: .seconds(6)).count == 70 && book.nextDeadline == .seconds(7))
        book.postpone(by: .seconds(5))
        let unbound = try InstanceKey("shop", "3", "7")
        #expect(book.nextDeadline == .seconds(12) && book[unbound] != nil && book[unbound]?.deadline == nil)
    }

    @Test("Each change is told of once")
    func changes() throws {
        var book = InstanceBook()
        let one = try Instance(InstanceKey("shop", "api", "1"), address: "10.0.0.1:80")
        book.put(one, until: .seconds(1))
        #expect(book.takeChanged() == [one.key.service: [one]] && book.takeChanged().isEmpty)
        book.put(one, until: .seconds(2))
        #expect(book.extend(one.key, until: .seconds(3)) == one && book.takeChanged().isEmpty)
        #expect(book.expire(at: .seconds(3)) == [one] && book.takeChanged() == [one.key.service: []])
        #expect(book.extend(one.key, until: .seconds(9)) == nil)
    }
}
