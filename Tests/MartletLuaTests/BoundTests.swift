import CLua
import Testing

/// The error classes of a run, as `Outcome.error` has them.
enum MartletError {
    static let instructions = MRT_ERROR_INSTRUCTIONS
    static let memory = MRT_ERROR_MEMORY
    static let time = MRT_ERROR_TIME
}

@Suite("Lua: the libraries keep to the budget")
struct BoundTests {
    /// Something of everything, for each library.
    private static let work = [
        """
        local v = json.decode('{"a":[1,2.5,0.30000000000000004,"x\\\\u00e9y",{"b":null}],"c":"' .. string.rep("z", 3000) .. '"}')
        json.decode(json.encode(v, {pretty = true}))
        json.array() json.decode("[")
        """,
        """
        local a = crypto.hmac_hex("sha256", "k", string.rep("a", 2000))
        crypto.hash("md5", a) crypto.random_bytes(100) crypto.unhex(crypto.hex(string.rep(a, 100))) crypto.equals(a, a)
        local key = handle:importPublicKey(crypto.unhex("\(SignatureVectors.ellipticKey)"), 91)
        handle:verifySignature("sha256", key:get(), "s", 1, "d", 1)
        """,
        """
        local a = string.rep("abc", 1000)
        base64.decode(base64.encode(a)) base64.decode_url(base64.encode_url(a)) handle:base64Decode(handle:base64Escape(a))
        """,
        """
        url.parse("http://u@a.b:80/x?y#z") url.parse("http://a b")
        url.unescape(url.escape(string.rep(" ", 1000)))
        url.parse_query("a=1&a=2&b=3&a=4") url.query_pairs("a=1&b=2") url.parse_query("a=%")
        url.build_query{a = 1, c = {1, 2, 3}, b = string.rep("&", 500)}
        """,
        """
        time.now() time.now_ms() time.iso8601() time.http_date() time.parse_iso8601(time.iso8601())
        time.parse_http_date(time.http_date())
        """,
        """
        ip.parse("::1") ip.matches("10.0.0.1", {"10.0.0.0/8"})
        local s = ip.set{["10.0.0.0/8"] = "x", ["11.0.0.0/8"] = "y", ["::/0"] = 1}
        s:find("10.0.0.1") s:contains("x") ip.set{"1.1.1.1", "1.1.1.0/24"}:find("1.1.1.2")
        """,
        """
        local r = regex.compile("(\\\\w+)@(\\\\w+)", "iu")
        r:match("a@b") r:find("x a@b") r:test("q") r:gsub(string.rep("a@b ", 200), "<\\\\2 at \\\\1>")
        for i = 1, 5 do regex.compile("a" .. i) end
        """,
    ]

    @Test("The n-th allocation fails, for every n: an error, nothing lost, and the VM goes on", arguments: work)
    func failingAllocations(work: String) throws {
        for keepsFailing in [true, false] {
            var number: UInt64 = 1
            var failures = 0
            var last: UInt64 = 5_000
            while number <= last {
                let vm = try #require(ScriptVM())
                #expect(vm.load("function on_request(handle)\n\(work)\nend") == nil)
                vm.failAllocation(number, andAllAfter: keepsFailing)
                let outcome = vm.run()
                vm.failAllocation(0, andAllAfter: false)
                if outcome.isDone {
                    // Lua itself collects and tries again, so one failure need not be one of the script.
                    if keepsFailing || number > 200 { last = 0 }
                } else {
                    failures += 1
                    #expect(outcome.message.contains("not enough memory"), "\(number): \(outcome.message)")
                }
                let after = vm.run()
                #expect(after.isDone, "\(number): \(after.message)")
                #expect(vm.close() == 0, "\(number)")
                number += 1
            }
            #expect(!keepsFailing || failures > 0)
            #expect(number < 5_000)
        }
    }

    @Test("A VM whose n-th allocation fails is not made, and loses nothing")
    func failingBirths() {
        var number: UInt64 = 1
        while number < 5_000 {
            var limits = ScriptVM.Limits()
            limits.failingAllocation = number
            if ScriptVM(limits) != nil { break }
            number += 1
        }
        #expect(number > 100 && number < 5_000)
    }

    @Test("A loop over any of them ends with its instructions, whatever catches errors", arguments: work)
    func loops(work: String) throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 500_000
        let vm = try #require(ScriptVM(limits))
        #expect(vm.load("function on_request(handle) while true do pcall(function()\n\(work)\nend) end end") == nil)
        let outcome = vm.run()
        #expect(outcome.error == MartletError.instructions, "\(outcome.message)")
        #expect(outcome.instructions < 600_000)
        #expect(vm.run().error == MartletError.instructions)
        #expect(vm.close() == 0)
    }

    @Test(
        "One call cannot spend more than there is",
        arguments: [
            "json.decode('[' .. string.rep('1,', 4000000) .. '1]')", "json.encode(string.rep('x', 12000000))",
            "json.decode('\"' .. string.rep('x', 12000000) .. '\"')", "crypto.hash('sha256', string.rep('x', 8000000))",
            "crypto.hmac('md5', string.rep('x', 8000000), '')", "crypto.hex(string.rep('x', 8000000))",
            "crypto.unhex(string.rep('0', 8000000))", "base64.encode(string.rep('x', 8000000))",
            "base64.decode(string.rep('A', 8000000))", "url.escape(string.rep('x', 8000000))",
            "url.unescape(string.rep('x', 8000000))", "url.parse_query(string.rep('a=1&', 1000000))",
            "url.query_pairs(string.rep('a=1&', 1000000))", "url.parse(string.rep('a', 8000000))",
            "handle:base64Escape(string.rep('x', 8000000))",
            "ip.set(json.decode('[' .. string.rep('1,', 1000000) .. '1]'))",
        ])
    func single(expression: String) throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 1_000_000
        limits.memory = 64 << 20
        let vm = try #require(ScriptVM(limits))
        #expect(vm.load("function on_request(handle) pcall(function() return \(expression) end) end") == nil)
        let outcome = vm.run()
        #expect(outcome.error == MartletError.instructions, "\(outcome.message)")
        #expect(vm.close() == 0)
    }

    @Test(
        "Nor take more memory than there is",
        arguments: [
            "json.decode('[' .. string.rep('{},', 300000) .. '1]')",
            "json.decode('[' .. string.rep('[1],', 300000) .. '1]')",
            "(function() local s = string.rep('x', 1000000) return json.encode({s, s, s, s, s, s, s}) end)()",
            "json.encode(string.rep('\\1', 1000000))", "crypto.hex(string.rep('x', 3000000))",
            "base64.encode(string.rep('x', 3200000))", "url.escape(string.rep(' ', 2500000))",
            "url.query_pairs(string.rep('a=1&', 300000))",
            "(function() local t = {} for i = 1, 1e9 do t[i] = regex.compile('(?:a{1,100}){1,20}' .. i) end end)()",
            "regex.compile('a'):gsub(string.rep('a', 1000000), '0123456789')",
        ])
    func memory(expression: String) throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 1 << 40
        limits.memory = 4 << 20
        let vm = try #require(ScriptVM(limits))
        #expect(vm.load("function on_request(handle) pcall(function() return \(expression) end) end") == nil)
        let outcome = vm.run()
        #expect(outcome.error == MartletError.memory, "\(outcome.message)")
        // What the stopped run took is garbage: the next one has its whole budget.
        #expect(vm.run().error == outcome.error)
        #expect(vm.close() == 0)
    }
}
