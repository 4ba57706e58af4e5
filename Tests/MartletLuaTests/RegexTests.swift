import Testing

@Suite("Lua: regex")
struct RegexTests {
    @Test("match, find, test")
    func searching() throws {
        try check(
            [
                Case("mail:match('mail joe@example.com now')", "joe | example"),
                Case("mail:find('a joe@example.com')", "3 | 17 | joe | example"),
                Case(
                    "mail:test('a@b.com'), mail:test('a@b.org'), mail:match('x'), mail:find('x')",
                    "true | false | nil | nil"),
                Case("re('a.c'):match('xabcx'), re('a.c'):find('xabcx')", "abc | 2 | 4"),
                Case("re('(a)|(b)'):match('b')", "nil | b"),
                Case("re('()'):match('x'), re(''):find('x')", " | 1 | 0"),
                Case(
                    "re('a'):match('bca', -1), re('a'):match('abc', 2), re('a'):match('abc', 9), re('a'):match('a', -9)",
                    "a | nil | nil | a"),
                Case(
                    "re('A', 'i'):test('a'), re('^b', 'm'):test('a\\nb'), re('a.b', 's'):test('a\\nb'), re('a b', 'x'):test('ab')",
                    "true | true | true | true"),
                Case(
                    "re('A'):test('a'), re('^b'):test('a\\nb'), re('a.b'):test('a\\nb'), re('a b'):test('ab')",
                    "false | false | false | false"),
                Case("re('.', 'u'):match('é'), #re('.'):match('é'), re('\\\\w', 'u'):test('é')", "é | 1 | true"),
                Case("re('.', 'u'):match('\\255')", "!not UTF-8 at byte 1"),
                Case("re('.', 'u'):match('é', 2)", "nil"),
                Case("re('a\\0b'):test('a\\0b')", "true"),
                Case("re('(?<name>a)(?=b)\\\\1?'):match('ab')", "a"),
            ], before: Self.before)
    }

    @Test("gsub")
    func replacing() throws {
        try check(
            [
                Case("mail:gsub('a@b.com c@d.com', '<\\\\2-\\\\1-\\\\0>')", "<b-a-a@b.com> <d-c-c@d.com> | 2"),
                Case("re('a'):gsub('aaa', 'x', 2), re('a'):gsub('aaa', 'x', 0)", "xxa | aaa | 0"),
                Case("re('b*'):gsub('abc', '-'), re('x*', 'u'):gsub('éa', '-')", "-a--c- | -é-a- | 3"),
                Case("re('a', 'i'):gsub('aAbA', 'x')", "xxbx | 3"),
                Case("re('^a', 'm'):gsub('a\\na\\nb', 'x')", "x\nx\nb | 2"),
                Case("re('(a)|b'):gsub('ab', '[\\\\1]')", "[a][] | 2"),
                Case("re('a'):gsub('a', '\\\\\\\\'), re('a'):gsub('', 'x')", "\\ |  | 0"),
                Case("re('a'):gsub('a', '\\\\x')", "!in a replacement"),
                Case("re('a'):gsub('a', '\\\\1')", "!in a replacement"),
                Case("re('a'):gsub('a', '\\\\')", "!in a replacement"),
                Case("re('a'):gsub('a', 10 / 2)", "5 | 1"),
                Case("#re('x'):gsub(string.rep('x', 10000), 'yy')", "20000"),
            ], before: Self.before)
    }

    private static let before = """
        re = regex.compile
        mail = re('(\\\\w+)@(\\\\w+)\\\\.com')
        """

    @Test("Patterns that are wrong, or out of bounds")
    func refusals() throws {
        try check([
            Case("regex.compile('(')", "!missing closing parenthesis at byte 2"),
            Case("regex.compile('a', 'q')", "!unknown flag 'q'"),
            Case("regex.compile('(*UTF)a')", "!at byte"),
            Case("regex.compile('\\\\C')", "!at byte"),
            Case("regex.compile(string.rep('(a)', 64))", "!more than 63 captures"),
            Case("regex.compile(string.rep('a', 4097))", "!a pattern may have 4096 bytes"),
            Case("regex.compile(string.rep('a', 1025), 'u')", "!a pattern may have 1024 bytes"),
            Case("regex.compile(string.rep('(', 200) .. string.rep(')', 200))", "!at byte"),
            Case("regex.compile('(?:(?:a{1,1000}){1,1000}){1,1000}')", "!regular expression is too large"),
            Case("regex.compile('a'):test(string.rep('b', 1048577))", "!a subject may have 1048576 bytes"),
            Case("regex.compile('a').match(handle, 'x')", "!regex expected, got handle"),
            Case(
                "getmetatable(regex), getmetatable(regex.compile('a')), regex.compile('a').__gc", "regex | regex | nil"),
        ])
    }

    @Test(
        "Whatever a pattern does, the budget ends it",
        arguments: [
            "regex.compile('^(a+)+$'):test(a .. 'b')", "regex.compile('a*[bc]'):test(a)",
            "regex.compile('.*?(?=a*b)', 's'):test(a)", "regex.compile('^(a+)\\\\1+x'):test(a)",
            "regex.compile('^(.*)(.*)(.*)(.*)(.*)[bc]$'):test(a)",
            "regex.compile('a', 'i'):gsub(string.rep('a', 1000000), 'b')",
            "regex.compile('((a|(?1)a))+[bc]'):test(a)",
            "(function() while true do regex.compile('(?:a{1,1000}){1,50}') end end)()",
        ])
    func bounded(expression: String) throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 1_000_000
        let vm = try #require(ScriptVM(limits))
        #expect(
            vm.load(
                "function on_request() local a = string.rep('a', 65536) while true do pcall(function() return \(expression) end) end end"
            )
                == nil)
        let outcome = vm.run()
        #expect(outcome.error == MartletError.instructions, "\(outcome.message)")
        #expect(outcome.instructions < 1_200_000)
        #expect(vm.close() == 0)
    }

    @Test("A match looks at the clock")
    func time() throws {
        var limits = ScriptVM.Limits()
        limits.instructions = 1 << 50
        limits.nanoseconds = 2_000_000
        let vm = try #require(ScriptVM(limits))
        #expect(vm.load("function on_request() regex.compile('^(a+)+[bc]$'):test(string.rep('a', 1000)) end") == nil)
        #expect(vm.run().error == MartletError.time)
    }
}
