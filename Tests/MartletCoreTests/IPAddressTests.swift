import MartletCore
import Testing

@Suite("IP addresses, prefixes and sets of them")
struct IPAddressTests {
    @Test(
        "Addresses",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("192.0.2.255", "192.0.2.255"), ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:0201", "192.0.2.1"), ("::", "0:0:0:0:0:0:0:0"), ("::1", "0:0:0:0:0:0:0:1"),
            ("1::", "1:0:0:0:0:0:0:0"), ("2001:db8::8:800:200c:417a", "2001:db8:0:0:8:800:200c:417a"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("64:ff9b::192.0.2.33", "64:ff9b:0:0:0:0:c000:221"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ])
    func addresses(text: String, expected: String) { #expect(IPAddress(text)?.text == expected) }

    @Test(
        "What is none",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..3.4", "a.b.c.d",
            "-1.2.3.4",
            ":", ":::", "1:::2", ":1", "1:", "1:2", "::1::", "12345::", "g::", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8",
            "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "[::1]", "::1%eth0", "::1/64", "unix", "localhost",
        ])
    func junk(text: String) { #expect(IPAddress(text) == nil) }

    @Test("Prefixes say what is wrong with them")
    func prefixes() {
        func problem(_ text: String) -> IPPrefix.Problem? {
            do throws(IPPrefix.Problem) { _ = try IPPrefix(text) } catch { return error }
            return nil
        }
        for text in [
            "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "2001:db8::/32", "::1/128", "fe80::/10",
        ] {
            #expect(problem(text) == nil, "\(text)")
        }
        #expect(problem("10.0.0.1/8") == .longerThanPrefix(network: "10.0.0.0/8"))
        #expect(problem("2001:db8::1/32") == .longerThanPrefix(network: "2001:db8:0:0:0:0:0:0/32"))
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            #expect(problem(text) == .badLength, "\(text)")
        }
        for text in ["", "/8", "ten/8", "10.0.0/8"] { #expect(problem(text) == .notAnAddress, "\(text)") }
    }

    @Test("A set answers as looking at each of its prefixes does, also where they touch and overlap")
    func sets() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var prefixes: [IPPrefix] = []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                let length = Int.random(in: 20...32, using: &random)
                let network = UInt32.random(in: 0...4095, using: &random) << UInt32(32 - length)
                let text = (0..<4).map { "\((network >> UInt32(24 - 8 * $0)) & 0xFF)" }.joined(separator: ".")
                prefixes.append(try IPPrefix("\(text)/\(length)"))
            }
            let set = IPSet(prefixes)
            #expect(set.isEmpty == prefixes.isEmpty)
            for _ in 0..<300 {
                let text = "0.\(Int.random(in: 0...15, using: &random)).\(Int.random(in: 0...255, using: &random)).7"
                let address = try #require(IPAddress(text))
                let expected = prefixes.contains { $0.first.bits <= address.bits && address.bits <= $0.last.bits }
                #expect(set.contains(address) == expected, "\(text)")
            }
        }
    }

    @Test("An IPv4 prefix takes the mapped form of its addresses, and no IPv6 address")
    func mapped() throws {
        let all = IPSet([try IPPrefix("0.0.0.0/0")])
        #expect(all.contains(try #require(IPAddress("::ffff:10.1.2.3"))))
        #expect(!all.contains(try #require(IPAddress("2001:db8::1"))))
        #expect(IPSet([try IPPrefix("::/0")]).contains(try #require(IPAddress("2001:db8::1"))))
    }
}
