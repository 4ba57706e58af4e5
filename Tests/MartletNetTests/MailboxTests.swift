import Foundation
import MartletCore
import MartletNet
import Testing

@Suite("Messages between threads")
struct MailboxTests {
    @Test("Every message of many threads arrives once, each thread's in order, and the loop wakes for them")
    func arrives() throws {
        let threads = 4
        let each = 2000
        let mailbox = try Mailbox<(thread: Int, number: Int)>()
        let loop = try EventLoop()
        var next = [Int](repeating: 0, count: threads)
        var isOrdered = true
        let source = try loop.attach(mailbox) {
            for message in mailbox.drain() {
                if next[message.thread] != message.number { isOrdered = false }
                next[message.thread] += 1
            }
            if next.allSatisfy({ $0 == each }) { loop.stop() }
        }
        for thread in 0..<threads {
            try LoopThread.start("sender-\(thread)") {
                for number in 0..<each { mailbox.post((thread, number)) }
            }
        }
        loop.run()
        source.close()
        #expect(isOrdered)
        #expect(next == [Int](repeating: each, count: threads))
    }

    @Test("A closed mailbox takes nothing and keeps nothing")
    func closed() throws {
        let mailbox = try Mailbox<Int>()
        #expect(mailbox.post(1))
        mailbox.close()
        #expect(!mailbox.post(2))
        #expect(mailbox.drain().isEmpty)
    }
}
