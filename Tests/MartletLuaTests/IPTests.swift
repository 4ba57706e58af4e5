import Testing

@Suite("Lua: ip")
struct IPTests {
    @Test("Addresses")
    func parse() throws {
        let malformed = [
            "", "10.0.0", "10.0.0.256", "10.0.0.1 ", "010.0.0.1", "::1%eth0", "10.0.0.1:80", "[::1]", "a",
            "10.0.0.1\\0",
            "1::2::3", "10.0.0.1/8", "0x0a.0.0.1", string(100),
        ]
        try check(malformed.map { Case("ip.parse('\($0)')", "nil") })
        try check([
            Case("crypto.hex(ip.parse('10.0.0.1'))", "0a000001"),
            Case("crypto.hex(ip.parse('::1')), #ip.parse('2001:db8::')", "00000000000000000000000000000001 | 16"),
            Case("ip.parse('::ffff:10.0.0.1') == ip.parse('10.0.0.1')", "true"),
        ])
    }

    private func string(_ count: Int) -> String { String(repeating: "1", count: count) }

    @Test(
        "An address in a block, or not",
        arguments: [
            ("10.1.2.3", "10.0.0.0/8", true), ("11.1.2.3", "10.0.0.0/8", false), ("10.1.2.3", "10.9.9.9/8", true),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true), ("10.1.2.3", "::ffff:10.0.0.0/104", true),
            ("10.1.2.3:99", "10.1.2.3", true), ("[2001:db8::5]:443", "2001:db8::/32", true), ("[::1]", "::1", true),
            ("2001:db9::5", "2001:db8::/32", false), ("1.2.3.4", "0.0.0.0/0", true), ("1.2.3.4", "::/0", false),
            ("::1", "0.0.0.0/0", false), ("2001:db8::1", "2001:db8::/127", true),
            ("2001:db8::2", "2001:db8::/127", false),
            ("2001:db8:8000::1", "2001:db8:8000::/33", true), ("2001:db8::1", "2001:db8:8000::/33", false),
            ("2001:db8::1", "2001:db8::/64", true), ("2001:db8:0:1::1", "2001:db8::/64", false),
            ("junk", "0.0.0.0/0", false),
            ("10.0.0.1:", "0.0.0.0/0", false), ("10.0.0.1:123456", "0.0.0.0/0", false),
            ("[1.2.3.4]:5", "0.0.0.0/0", false),
            ("[::1", "::/0", false), ("[::1]x", "::/0", false), ("[::1]:", "::/0", false), ("", "::/0", false),
        ])
    func matches(address: String, block: String, expected: Bool) throws {
        try check([
            Case("ip.matches('\(address)', '\(block)')", "\(expected)"),
            Case("ip.matches('\(address)', {'203.0.113.9', '\(block)'})", "\(expected)"),
            Case("ip.set{'203.0.113.9', '\(block)'}:contains('\(address)')", "\(expected)"),
        ])
    }

    @Test("What is no block is an error of the script")
    func refusals() throws {
        let blocks = [
            "", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/01", "10.0.0.0/-1", "x/8", "::/129", "::ffff:1.2.3.4/90",
            "1.2.3.4/8x",
        ]
        try check(
            blocks.flatMap {
                [
                    Case("ip.matches('1.1.1.1', '\($0)')", "!is no CIDR block"),
                    Case("ip.set{'\($0)'}", "!is no CIDR block"),
                ]
            })
        try check([
            Case("ip.set{['10.0.0.0/8'] = 1, ['10.1.0.0/8'] = 2}", "!a block is there twice"),
            Case("ip.set{'1.1.1.1', a = 1}", "!either a list of blocks"),
            Case("ip.set{5}", "!must be a string"),
            Case("ip.matches('1.1.1.1', 5)", "!string expected"),
            Case("ip.set{}.contains(handle, '1.1.1.1')", "!ip set expected"),
            Case("ip.set{}.contains(json.null, '1.1.1.1')", "!ip set expected"),
            Case("getmetatable(ip.set{}), getmetatable(ip)", "ip set | ip"),
        ])
    }

    @Test("A set answers with the longest block's value")
    func find() throws {
        try check(
            [
                Case("named:find('8.8.8.8'), named:find('10.0.0.2'), named:find('10.0.0.1')", "all | ten | one"),
                Case("named:find('::1'), named:contains('::1'), named:find('junk')", "false | true | nil"),
                Case(
                    "list:find('10.1.9.9'), list:find('10.9.9.9'), list:find('9.255.255.255')",
                    "10.1.0.0/16 | 10.0.0.0/8 | nil"),
                Case(
                    "list:contains('192.168.0.1'), list:contains('192.168.0.2'), list:contains('11.0.0.0')",
                    "true | false | false"),
                Case("ip.set{}:contains('1.1.1.1'), ip.set{}:find('1.1.1.1')", "false | nil"),
            ],
            before: """
                named = ip.set{['0.0.0.0/0'] = 'all', ['10.0.0.0/8'] = 'ten', ['10.0.0.1'] = 'one', ['::/0'] = false}
                list = ip.set{'10.0.0.0/8', '10.1.0.0/16', '192.168.0.1', '2001:db8::/32', '10.0.0.0/8'}
                """)
    }

    @Test("Random sets agree with a walk over their blocks")
    func randomSets() throws {
        try check([
            Case(
                """
                (function()
                  for round = 1, 20 do
                    local blocks = {}
                    for i = 1, math.random(1, 60) do
                      local v6 = math.random(1, 4) == 1
                      blocks[i] = (v6 and "2001:db8:" or "10.") .. math.random(0, 3) .. (v6 and "::/" or ".0.0/")
                        .. math.random(v6 and 20 or 6, v6 and 50 or 32)
                    end
                    local set = ip.set(blocks)
                    for i = 1, 60 do
                      local a = math.random(1, 4) == 1 and "2001:db8:" .. math.random(0, 4) .. "::1"
                        or "10." .. math.random(0, 4) .. ".0." .. math.random(0, 1)
                      local longest
                      for _, block in ipairs(blocks) do
                        local bits = tonumber(block:match("/(%d+)"))
                        if ip.matches(a, block) and bits > (longest or -1) then longest = bits end
                      end
                      local found = set:find(a)
                      if (found and tonumber(found:match("/(%d+)"))) ~= longest then return a, found, longest end
                    end
                  end
                  return "same"
                end)()
                """, "same")
        ])
    }

    @Test("Fifty thousand blocks fit a policy's memory, and a look-up takes no longer for them")
    func large() throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 3_000_000
        limits.memory = 12 << 20
        let vm = try #require(ScriptVM(limits))
        let failure = vm.load(
            """
            local blocks = {}
            for i = 1, 50000 do
              blocks[i] = (i * 7919 % 223 + 1) .. "." .. (i // 256 % 256) .. "." .. (i % 256) .. ".0/24"
            end
            local set = ip.set(blocks)
            function on_request(handle) for i = 1, 50000, 1000 do assert(set:find((blocks[i]:gsub("0/24", "7"))) == blocks[i]) end end
            """)
        #expect(failure == nil)
        let outcome = vm.run()
        #expect(outcome.isDone, "\(outcome.message)")
        #expect(outcome.instructions < 10_000)
    }
}
