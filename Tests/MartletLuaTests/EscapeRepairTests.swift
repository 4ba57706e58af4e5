import Testing

/// What the bounds must not break: each script is all assertions.
struct Repair: Sendable, CustomTestStringConvertible {
    let name: String
    let source: String
    var testDescription: String { name }

    init(_ name: String, _ source: String) {
        self.name = name
        self.source = source
    }

    static let all = [
        Repair(
            "numbers in strings",
            """
            assert("10" + 1 == 11 and "3" * "4" == 12 and -"2" == -2 and "0x10" // 1 == 16 and 10 .. "" == "10")
            assert(not pcall(function() return "x" + 1 end) and not pcall(function() return {} + 1 end))
            assert(getmetatable("").__add == nil and getmetatable("") == "string")
            """),
        Repair(
            "format",
            """
            assert(string.format("[%c]", 0) == "[\\0]" and string.format("%3c|", 0) == "  \\0|" and #string.format("%c%c", 0, 65) == 2)
            assert(#string.format("%99.99f", -1e308) == 410 and #string.format("%+.99f", 1.7976931348623157e308) == 410)
            assert(string.format("%q %q %q %q", 1, 1.5, true, "a\\n\\0001") == '1 1.5 true "a\\\\\\n\\\\0001"')
            assert(string.format("%-5s|%5.1s|%.0s|%d|%5.2f", "a", "bcd", "e", 3.0, 1 / 3) == "a    |    b||3| 0.33")
            """),
        Repair(
            "sub and byte",
            """
            local s = "abc"
            assert(s:sub(2) == "bc" and s:sub(-2) == "bc" and s:sub(0) == "abc" and s:sub(-100, 2) == "ab" and s:sub(3, 2) == "")
            assert(s:sub(2, -2) == "b" and s:sub(1, -5) == "" and s:sub(4) == "" and s:sub(math.mininteger, math.maxinteger) == s)
            assert(s:byte() == 97 and s:byte(-1) == 99 and s:byte(10) == nil and select("#", s:byte(1, -1)) == 3)
            assert(select("#", s:byte(0)) == 1 and s:byte(-1, -1) == 99 and not pcall(s.sub, s) and not pcall(s.byte, s, "x"))
            """),
        Repair(
            "rep",
            """
            assert(("ab"):rep(3, "-") == "ab-ab-ab" and ("x"):rep(7, "yy") == "xyyxyyxyyxyyxyyxyyx" and ("x"):rep(1, "yy") == "x")
            assert((""):rep(3, ",") == ",," and (""):rep(1e15) == "" and ("x"):rep(0) == "" and ("x"):rep(-1) == "")
            """),
        Repair(
            "patterns",
            """
            assert(select(2, ("abc"):gsub("()%1", "x")) == 0 and ("aa"):find("(a)%1") == 1 and not pcall(string.find, "a", "(%1)"))
            assert(("[x]"):match("%[([%w_]+)%]") == "x" and ("a-b"):find("[a%-]", 2) == 2 and ("THE (quick)"):find("%f[%a]%a+", 4) == 6)
            """),
        Repair(
            "remove and insert",
            """
            local t = {}
            assert(table.remove(t, #t) == nil and table.remove({}) == nil and table.remove({}, 1) == nil)
            assert(not pcall(table.remove, {}, 2) and not pcall(table.remove, {1}, 0) and table.remove({1, 2}, 1) == 1)
            t = {1, 2, 3} table.insert(t, 2, 9) assert(table.concat(t, ",") == "1,9,2,3") assert(table.remove(t, 2) == 9 and #t == 3)
            """),
        Repair(
            "concat and move",
            """
            assert(table.concat({1, 2.5, "x"}, ", ") == "1, 2.5, x" and table.concat({}, "x") == "" and table.concat({1, 2, 3}, "", 2, 3) == "23")
            assert(select(2, pcall(table.concat, {1, {}})):find("invalid value %(at index 2%) in table for 'concat'"))
            assert(table.concat(table.move({1, 2, 3}, 1, 3, 2), ",") == "1,1,2,3" and table.concat(table.move({1, 2, 3}, 2, 3, 1), ",") == "2,3,3")
            local to = {9} assert(table.move({1, 2}, 1, 2, 2, to) == to and table.concat(to, ",") == "9,1,2")
            local t = {1, 2, 3} assert(table.concat(table.move(t, 1, 3, 2, t), ",") == "1,1,2,3")
            assert(not pcall(table.move, {}, math.mininteger, math.maxinteger, 1) and not pcall(table.move, {1}, 1, 2, math.maxinteger))
            """),
        Repair(
            "sort",
            """
            local function sorted(t, f) table.sort(t, f) return table.concat(t, ",") end
            assert(sorted({3, 1, 2}) == "1,2,3" and sorted({"b", "a", ("x"):rep(100)}) == "a,b," .. ("x"):rep(100))
            assert(sorted({1, 3, 2}, function(a, b) return a > b end) == "3,2,1" and not pcall(table.sort, {1, "x"}) and not pcall(table.sort, {1, 2}, 3))
            local mt = {__lt = function(a, b) return a.n < b.n end}
            local l = {} for i = 1, 20 do l[i] = setmetatable({n = (i * 7) % 20}, mt) end
            table.sort(l) for i = 1, 20 do assert(l[i].n == i - 1) end
            """),
        Repair(
            "what Lua 5.1 had",
            """
            assert(math.mod(7, 3) == 1 and string.gfind("ab", ".")() == "a" and table.setn({}, 3) == nil and table.getn({1, 2}) == 2)
            assert(table.foreach({a = 1}, function(k, v) if v == 1 then return k end end) == "a")
            assert(table.foreachi({4, 5}, function(i, v) if v == 5 then return i end end) == 2 and table.foreach({}, print) == nil)
            """),
        Repair(
            "classes",
            """
            local A = {} A.__index = A
            function A.new(n) return setmetatable({n = n}, A) end
            local early = A.new(1)
            function A:get() return self.n end
            A.__tostring = function(self) return "A" .. self.n end
            A.__eq = function(a, b) return a.n == b.n end
            assert(early:get() == 1 and tostring(early) == "A1" and A.new(2) == A.new(2) and getmetatable(early) == A and getmetatable(A) == nil)
            local B = setmetatable({}, A) B.__index = B
            B.__tostring = function(self) return "B" .. self.n end
            local b = setmetatable({n = 3}, B)
            function B:twice() return self:get() * 2 end
            assert(b:get() == 3 and b:twice() == 6 and tostring(b) == "B3" and getmetatable(B) == A and getmetatable(b) == B)
            function A:late() return "late" end
            assert(b:late() == "late")
            """),
        Repair(
            "inheritance as in Programming in Lua",
            """
            local Account = {balance = 0}
            function Account:new(o) o = o or {} setmetatable(o, self) self.__index = self return o end
            function Account:deposit(v) self.balance = self.balance + v end
            local Special = Account:new()
            function Special:limit() return self.max or 0 end
            local s = Special:new({max = 10}) s:deposit(5)
            function Account:withdraw(v) self.balance = self.balance - v end
            s:withdraw(2)
            assert(s.balance == 3 and s:limit() == 10 and Account.balance == 0 and rawget(Special, "balance") == nil)
            """),
        Repair(
            "callable classes, proxies and tables that are their own metatable",
            """
            local C = setmetatable({}, {__call = function(cls, n) return setmetatable({n = n}, cls) end})
            C.__index = C
            assert(C(4).n == 4)
            local log = {}
            local p = setmetatable({}, {__index = function(_, k) return k end, __newindex = function(t, k, v) log[k] = v rawset(t, k, v) end})
            p.a = 1 assert(p.a == 1 and p.b == "b" and log.a == 1)
            local obj = setmetatable({}, p)
            p.c = 2 assert(log.c == 2 and p.c == 2 and p.d == "d" and getmetatable(p).__index)
            local self = setmetatable({}, {}) setmetatable(self, self)
            self.__index = function(_, k) return k .. "!" end
            self.__call = function(_, x) return x end
            assert(self.zip == "zip!" and self(7) == 7 and getmetatable(self) == self)
            setmetatable(p, nil) assert(getmetatable(p) == nil and p.nothing == nil) p.e = 1 assert(p.e == 1)
            local forward = {} setmetatable(p, {__newindex = forward}) p.f = 1 assert(forward.f == 1 and rawget(p, "f") == nil)
            """),
        Repair(
            "metatables that are protected or weak",
            """
            local t = setmetatable({}, {__metatable = "no"})
            assert(getmetatable(t) == "no" and not pcall(setmetatable, t, {}))
            setmetatable({}, t) assert(getmetatable(t) == "no" and not pcall(setmetatable, t, {}))
            local mt = {__mode = "v", __index = {x = 1}} local cache = setmetatable({}, mt)
            assert(getmetatable(cache) == mt and cache.x == 1) cache.y = {} cache.z = 5 assert(cache.z == 5)
            assert(rawset({}, "__gc", 1).__gc == 1 and setmetatable({}, {__name = "N"}) and tostring(setmetatable({}, {__name = "N"})):find("^N: "))
            """),
        Repair(
            "what metatables may not have",
            """
            local function refused(f, ...) assert(not pcall(f, ...)) end
            for _, key in ipairs{"__gc", "__close", "__mode", "__call"} do
              local value = key == "__mode" and "k" or {}
              refused(setmetatable, {}, {[key] = value})
              local mt = {} setmetatable({}, mt)
              refused(function() mt[key] = value end) refused(rawset, mt, key, value) assert(rawget(mt, key) == nil)
              -- Below a class, behind a __newindex of the script's, and after its metatable is gone.
              local d = setmetatable({}, {__newindex = rawset}) setmetatable({}, d)
              refused(function() d[key] = value end) refused(rawset, d, key, value)
              setmetatable(d, {}) refused(function() d[key] = value end)
              setmetatable(d, nil) refused(function() d[key] = value end)
              local own = {} setmetatable(own, own) refused(function() own[key] = value end) assert(rawget(own, key) == nil)
            end
            refused(setmetatable, {}, setmetatable({}, {__mode = "v"}))
            local mt = {} setmetatable({}, mt) refused(setmetatable, mt, {__mode = "v"})
            """),
        Repair(
            "large tables",
            """
            local list, map = {}, {}
            for i = 1, 100000 do list[i] = i end
            for i = 1, 30000 do map["k" .. i] = true end
            assert(#list == 100000 and map.k30000)
            """),
        Repair(
            "load",
            """
            assert(load("return ...", "c", "t", {})(5) == 5 and loadstring("return 1 + 1")() == 2 and not load("return +"))
            local parts = {"return ", "1", "2", nil} local n = 0
            assert(load(function() n = n + 1 return parts[n] end)() == 12 and not pcall(load, function() return {} end))
            local env = {} load("x = 1", "c", "bt", env)() assert(env.x == 1 and x == nil)
            """),
        Repair(
            "tracebacks",
            """
            assert(debug.traceback("m"):find("^m\\nstack traceback:\\n") and debug.traceback():find("escape.lua:%d+:"))
            assert(debug.traceback("m", 50) == "m\\nstack traceback:" and debug.traceback(h) == h and debug.traceback(nil):find("traceback"))
            assert(debug.traceback(coroutine.create(print)) == "stack traceback:" and debug.traceback("m", math.mininteger):find("m\\n"))
            assert(select(2, pcall(string.rep)):find("'string.rep'") or select(2, pcall(string.rep)):find("'rep'"))
            """),
    ]
}

@Suite("Bounded functions do what Lua's do")
struct EscapeRepairTests {
    @Test("Scripts find what they expect", arguments: Repair.all)
    func repair(_ repair: Repair) throws {
        let vm = try #require(EscapeVM())
        #expect(vm.load("function on_request(h)\n\(repair.source)\nend").error == .none)
        for _ in 0..<3 {
            let end = vm.request()
            #expect(end.error == .none, "\(end.message)")
        }
    }

    @Test("Walking a string costs what is looked at, not the whole string each time")
    func walk() throws {
        let vm = try #require(EscapeVM(instructions: 400_000))
        let script = """
            local s = string.rep("x", 16384)
            function on_request(h) for i = 1, #s do local c, d = s:byte(i), s:sub(i, i) end end
            """
        #expect(vm.load(script).error == .none)
        #expect(vm.request().error == .none)
    }

    @Test("Replacing metatables request by request keeps nothing")
    func replacing() throws {
        let vm = try #require(EscapeVM())
        let script = """
            function on_request(h)
              for i = 1, 100 do
                local o = setmetatable({}, {})
                setmetatable(o, {__index = {a = string.rep("x", 1000)}})
              end
            end
            """
        #expect(vm.load(script).error == .none)
        #expect(vm.request().error == .none)
        vm.collect()
        let before = vm.memory
        for _ in 0..<20 { #expect(vm.request().error == .none) }
        vm.collect()
        #expect(vm.memory <= before + 1024)
    }
}
