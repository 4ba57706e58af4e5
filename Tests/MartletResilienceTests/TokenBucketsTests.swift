import MartletCore
import Testing

@testable import MartletResilience

@Suite("Token buckets")
struct TokenBucketsTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start: UInt64 = 1_000 * second

    private func rate(_ requests: UInt64, _ per: UInt64, _ burst: UInt64) throws -> TokenRate {
        try #require(TokenRate(requests: requests, per: per, burst: burst))
    }

    @Test("Takes and refills: a table of times")
    func times() throws {
        // Two a second, three at once.
        let rate = try rate(2, Self.second, 3)
        var full: UInt64 = 0
        // Milliseconds since the start; whether it passes; tokens left; milliseconds to wait.
        let table: [(at: UInt64, passes: Bool, left: UInt64, wait: UInt64)] = [
            (0, true, 2, 0), (0, true, 1, 0), (0, true, 0, 500), (0, false, 0, 500), (499, false, 0, 1),
            (500, true, 0, 500), (500, false, 0, 500), (1700, true, 1, 0), (1700, true, 0, 300), (1999, false, 0, 1),
            (2000, true, 0, 500), (1_000_000, true, 2, 0), (999_900, true, 0, 100),
        ]
        for row in table {
            let take = rate.take(from: full, at: Self.start + row.at * 1_000_000)
            #expect(take.isAllowed == row.passes, "\(row)")
            #expect(take.remaining == row.left, "\(row) \(take)")
            #expect(take.wait == row.wait * 1_000_000, "\(row) \(take)")
            #expect(take.full >= full)
            full = take.full
        }
    }

    @Test("What the wait says is true to the nanosecond, whatever the rate")
    func waits() throws {
        for (requests, per, burst) in [(3, 1, 1), (7, 1, 5), (1, 60, 2), (999, 1, 1000), (1_000_000, 1, 1)]
            as [(UInt64, UInt64, UInt64)]
        {
            let rate = try rate(requests, per * Self.second, burst)
            var full: UInt64 = 0
            for _ in 0..<burst { full = rate.take(from: full, at: Self.start).full }
            let wait = rate.take(from: full, at: Self.start).wait
            #expect(wait > 0)
            #expect(!rate.take(from: full, at: Self.start + wait - 1).isAllowed)
            #expect(rate.take(from: full, at: Self.start + wait).isAllowed)
        }
    }

    @Test("Over any time never more than the burst and the rate's share of the time")
    func neverMore() throws {
        let rate = try rate(3, Self.second, 5)
        var full: UInt64 = 0
        var passed: UInt64 = 0
        var random = SystemRandomNumberGenerator()
        var now = Self.start
        for _ in 0..<20_000 {
            now += UInt64.random(in: 0...200_000_000, using: &random)
            let take = rate.take(from: full, at: now)
            full = take.full
            passed += take.isAllowed ? 1 : 0
        }
        let most = 5 + (now - Self.start) * 3 / Self.second
        #expect(passed <= most)
        // About ten tries a second: hardly a token is wasted.
        #expect(passed >= most * 95 / 100)
    }

    @Test("Rates that are no rates")
    func bounds() {
        #expect(TokenRate(requests: 0, per: Self.second, burst: 1) == nil)
        #expect(TokenRate(requests: 1, per: Self.second, burst: 0) == nil)
        #expect(TokenRate(requests: 1_000_001, per: Self.second, burst: 1) == nil)
        #expect(TokenRate(requests: 1, per: TokenRate.maxSpan, burst: 2) == nil)
        #expect(TokenRate(requests: 1, per: TokenRate.maxSpan, burst: .max) == nil)
        #expect(TokenRate(requests: 1, per: TokenRate.maxSpan, burst: 1) != nil)
    }

    @Test("A flood of keys takes no more memory and gives no honest client a token")
    func flood() throws {
        let buckets = try TokenBuckets(rate(1, 3600 * Self.second, 4), maxKeys: 1000)
        let honest = (0..<500).map { UInt64($0) &* 0x9E37_79B9_7F4A_7C15 | 1 }
        // Each takes one of its four.
        for key in honest { #expect(buckets.take(key, at: Self.start).place == .new) }
        let capacity = buckets.capacity
        var random = SystemRandomNumberGenerator()
        var overflowed = 0
        var passedByOverflow = 0
        for _ in 0..<1_000_000 {
            let taken = buckets.take(random.next(), at: Self.start + 1)
            guard taken.place == .overflow else { continue }
            overflowed += 1
            passedByOverflow += taken.take.isAllowed ? 1 : 0
        }
        #expect(buckets.capacity == capacity)
        #expect(overflowed >= 1_000_000 - capacity)
        // All that found no room share one bucket.
        #expect(passedByOverflow == 4)
        for key in honest {
            for round in 0..<6 {
                let taken = buckets.take(key, at: Self.start + 2)
                #expect(taken.place == .known)
                #expect(taken.take.isAllowed == (round < 3))
            }
        }
        // Once the flood's buckets have filled there is room again.
        let later = Self.start + 3600 * Self.second + 2
        #expect(buckets.take(random.next(), at: later).place == .new)
    }

    @Test("As many keys as promised find a place, in tables of any size", arguments: [1, 7, 100, 1000, 100_000])
    func room(maxKeys: Int) throws {
        let buckets = try TokenBuckets(rate(1, 3600 * Self.second, 1), maxKeys: maxKeys)
        #expect(buckets.capacity >= maxKeys)
        #expect(buckets.capacity <= maxKeys * 2 + 64)
        var random = SystemRandomNumberGenerator()
        var lost = 0
        for _ in 0..<maxKeys where buckets.take(random.next(), at: Self.start).place == .overflow { lost += 1 }
        // Keys that chance puts close together: a few in a thousand, where a table is nearly full.
        #expect(lost <= maxKeys / 100 + 1)
    }

    @Test("Exact over threads: keys known and new, places changing hands")
    func threads() async throws {
        let burst: UInt64 = 1000
        let rate = try rate(1, 3600 * Self.second, burst)
        // Room for fewer keys than there are at a time, so that places change hands all along.
        let buckets = try TokenBuckets(rate, maxKeys: 64)
        let key: UInt64 = 0xDEAD_BEEF_0BAD_CAFE
        // Never full again while the strangers' clock runs.
        for _ in 0..<10 { _ = buckets.take(key, at: Self.start) }
        let passed = Tally()
        let strangers = Tally()
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for step in 0..<2000 as Range<UInt64> {
                        if buckets.take(key, at: Self.start).take.isAllowed { passed.add(1) }
                        // A stranger's bucket is full again an hour later, some 200 steps.
                        let stranger = (UInt64(worker) &* 2000 &+ step) &* 0x9E37_79B9_7F4A_7C15
                        let time = Self.start &+ step &* 16 &* Self.second
                        _ = buckets.take(stranger, at: time)
                        strangers.add(1)
                    }
                }
            }
        }
        #expect(passed.value == Int(burst) - 10)
        #expect(strangers.value == 8000)
    }
}

@Suite("Hashing keys")
struct KeyHasherTests {
    @Test("SipHash-2-4's own vector")
    func vector() {
        // Aumasson and Bernstein, appendix A: key 00..0f, message 00..0e.
        var hasher = KeyHasher((0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        hasher.combine(0x0706_0504_0302_0100)
        hasher.combine(0x0f0e_0d0c_0b0a_0908)
        #expect(hasher.finish() == 0xa129_ca61_49be_45e5)
    }

    @Test("Parts are told apart, and secrets matter")
    func parts() {
        func hash(_ parts: [String], _ secret: KeyHasher.Secret = (1, 2)) -> UInt64 {
            var hasher = KeyHasher(secret)
            for part in parts {
                hasher.append(part.utf8Span.span)
                hasher.endPart()
            }
            return hasher.finish()
        }
        let keys = [
            [], [""], ["", ""], ["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["12345678"], ["12345678", ""],
            ["1234567812345678"],
        ]
        #expect(Set(keys.map { hash($0) }).count == keys.count)
        #expect(hash(["a"]) == hash(["a"]))
        #expect(hash(["a"], (1, 3)) != hash(["a"]))
    }
}
