extension Escape {
    /// The string library.
    static let text = [
        Escape(
            "a set of a hundred thousand members", .instructions, .time,
            source: """
                local set = "[" .. string.rep("a", 100000) .. "]"
                local s = string.rep("b", 1000)
                function on_request(h)
                  while true do
                    string.find(s, set) string.find(s, "%f" .. set) string.find(s, set .. "-x")
                    string.find(s, set .. "+") string.find(s, "x" .. set) string.find(s, set .. "?y")
                  end
                end
                """),
        Escape(
            "a pattern that backtracks", .instructions, .time,
            source: """
                function on_request(h) string.find(string.rep("a", 3000), string.rep("a-", 30) .. "b") end
                """),
        Escape(
            "a long search string, again and again", .instructions, .time,
            source: """
                local s = string.rep("a", 1000000)
                function on_request(h) while true do string.find("b", s) string.find(s, "b", 1, true) end end
                """),
        Escape(
            "comparing long strings", .instructions, .time,
            source: """
                local z = string.rep("\\0", 1500000)
                local a, b = z .. "a", z .. "b"
                function on_request(h) while true do local x = a < b x = a == b end end
                """),
        Escape(
            "walking continuation bytes", .instructions, .time,
            source: """
                local s = "a" .. string.rep("\\x80", 2000000)
                local step = utf8.codes(s)
                function on_request(h) while true do pcall(step, s, 1) pcall(utf8.len, s) pcall(utf8.offset, s, -1) end end
                """),
        Escape(
            "hexadecimal digits of the smallest integer", .none,
            source: """
                function on_request(h) assert(bit.tohex(1, math.mininteger) == "00000001") end
                """),
        Escape(
            "dates of every kind", .none, .instructions,
            source: """
                function on_request(h)
                  for _, format in ipairs{"%E", "*t", "!%c", ("%c"):rep(500), ("%c"):rep(5000), "%", "%Ez", "!*t"} do
                    for _, at in ipairs{0, -1, 2^31, 2^60, math.maxinteger, math.mininteger} do pcall(os.date, format, at) end
                  end
                  pcall(os.time, {year = math.maxinteger, month = 1, day = 1})
                  pcall(os.time, {year = 2^31, month = 2^31 - 1, day = 2^31 - 1, hour = 2^31 - 1})
                end
                """),
        Escape(
            "extreme arguments", .none, .instructions,
            source: """
                local extremes = {math.mininteger, math.maxinteger, -1, 0, 1, 2^53, -2^53, 0/0, 1/0, -1/0}
                local functions = {
                  string.sub, string.byte, string.find, utf8.char, utf8.codepoint, utf8.len, utf8.offset, math.random, bit.lshift,
                  bit.tohex, bit.arshift, bit.rol, table.remove, table.insert, select, string.format, table.unpack,
                }
                function on_request(h)
                  for _, f in ipairs(functions) do
                    for _, a in ipairs(extremes) do
                      for _, b in ipairs(extremes) do
                        pcall(f, "abc", a, b) pcall(f, a, b)
                        if f ~= table.insert then pcall(f, {}, a, b) end
                      end
                    end
                  end
                  for _, at in ipairs(extremes) do
                    if at ~= -2^53 then pcall(table.move, {1, 2, 3}, at, 3, 1) end pcall(table.move, {1, 2, 3}, 1, 3, at)
                    for _, item in ipairs{"%d", "%5.1f", "%99.99f", "%-99.99g", "%.99d", "%c", "%x", "%a", "%q", "%s"} do
                      pcall(string.format, item, at)
                    end
                  end
                end
                """),
    ]

    /// `load`, whose parser is quadratic in places.
    static let loading = [
        Escape(
            "names looked for in many functions", .instructions, .time,
            source: """
                function on_request(h)
                  local l = {} for i = 1, 190 do l[i] = "a" .. i end
                  local ls = "local " .. table.concat(l, ",") .. " "
                  local src = string.rep("function f() " .. ls, 30) .. string.rep("x=x ", 6000) .. string.rep(" end", 30)
                  while true do load(src) end
                end
                """),
        Escape(
            "labels", .instructions, .time,
            source: """
                function on_request(h)
                  local t = {} for i = 1, 6000 do t[i] = "::a" .. i .. "::" end
                  local src = table.concat(t)
                  while true do load(src) end
                end
                """),
        Escape(
            "nesting", .none, .instructions,
            source: """
                function on_request(h)
                  for _, s in ipairs{"(", "{", "a.", "a..", "-", "not ", "function() ", "do ", "[[", "if x then ", "f("} do
                    load("x=" .. string.rep(s, 6000)) load(string.rep(s, 150))
                  end
                  assert(not load("\\27Lua")) assert(not load("x=1", "n", "b", 1) or true)
                  assert(not load(string.rep(" ", 65537)))
                  pcall(load, "x=1", ("n"):rep(100000)) pcall(load, "local x <const> = 1 x = 2")
                end
                """),
        Escape(
            "a reader without end", .none,
            source: """
                function on_request(h)
                  local f, message = load(function() return "x = 1 " end)
                  assert(not f and message == "source too large")
                end
                """),
    ]

    /// One thing inside another: the C stack has an end.
    static let nesting = [
        Escape(
            "callbacks in callbacks in coroutines", .none, .script, .instructions,
            source: """
                local function a(n)
                  string.gsub("x", "x", function()
                    table.sort({1, 2}, function() coroutine.wrap(function() a(n + 1) end)() end)
                  end)
                end
                function on_request(h) assert(not pcall(a, 1)) end
                """),
        Escape(
            "pcall in pcall", .none, .script, .instructions,
            source: """
                local function f() return pcall(f) end
                function on_request(h) f() end
                """),
        Escape(
            "text of text of text", .none, .script, .instructions,
            source: """
                local t = setmetatable({}, {__tostring = function(x) return string.format("%s %99.99f", x, 1e308) end})
                local e = setmetatable({}, {__tostring = function(x) error(x) end})
                function on_request(h)
                  assert(not pcall(tostring, t)) assert(not pcall(print, e)) pcall(error, e)
                  local function fmt() return (string.gsub("abc", "%w", fmt)) end
                  assert(not pcall(fmt))
                end
                """),
        Escape(
            "metamethods that call themselves", .none, .script, .instructions, .memory,
            source: """
                function on_request(h)
                  for op, text in pairs{__eq = "x == y", __lt = "x < y", __le = "x <= y", __concat = "x .. y", __add = "x + y",
                      __unm = "-x", __len = "#x", __index = "x.q", __call = "x()"} do
                    local mt = {} local x, y = setmetatable({}, mt), setmetatable({}, mt)
                    mt[op] = load("local x, y = ... return function() local r = " .. text .. " return r end")(x, y)
                    assert(not pcall(mt[op]))
                  end
                  local t = setmetatable({}, {__index = function(t, k)
                    return coroutine.wrap(function() return t[k + 1] end)()
                  end})
                  assert(not pcall(function() return t[1] end))
                end
                """),
        Escape(
            "load in load", .none, .script, .instructions,
            source: """
                local reader
                local function ld() return load(reader) end
                reader = function() ld() return nil end
                function on_request(h) pcall(ld) end
                """),
        Escape(
            "errors in error handlers", .none, .script, .instructions,
            source: """
                local function h2(e) error(e) end
                function on_request(h)
                  local function f(n) return xpcall(error, function() return f(n + 1) end) end
                  pcall(f, 1)
                  assert(not pcall(xpcall, error, h2))
                end
                """),
    ]
}
