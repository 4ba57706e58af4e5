extension Escape {
    /// Beyond the memory limit, or into freed memory.
    static let memory = [
        Escape(
            "move grows a table past the hard limit, which collects what the move walks", .script, .memory,
            source: """
                function on_request(h)
                  local src = setmetatable({}, {__index = rawequal})
                  local mt = setmetatable({}, {__mode = "v"})
                  local proxy = setmetatable({}, mt)
                  mt.__newindex = {}
                  table.move(src, 1, 600000, 1000001, proxy)
                end
                """),
        Escape(
            "move grows a table without an instruction between", .memory, .instructions,
            source: """
                local src = setmetatable({}, {__index = rawequal})
                function on_request(h) pcall(table.move, src, 1, 1000000, 1, {}) while true do end end
                """),
        Escape(
            "a coroutine whose body is a C function fills memory", .memory,
            source: """
                local s = string.rep("x", 50000)
                local t = {} for i = 1, 20 do t[i] = s end
                function on_request(h)
                  local keep = {}
                  for i = 1, 1000 do
                    local _, r = coroutine.resume(coroutine.create(table.concat), t)
                    keep[i] = r .. i
                  end
                end
                """),
        Escape(
            "a block that never fits is asked for again and again", .memory, .instructions,
            source: """
                local s = string.rep("x", 1000000)
                local t = {} for i = 1, 60 do t[i] = s end
                function on_request(h) while true do pcall(table.concat, t) end end
                """),
        Escape(
            "concatenation beyond the hard limit is caught", .memory,
            source: """
                local s = string.rep("x", 2000000)
                local function grow() return s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s end
                function on_request(h) while true do pcall(grow) pcall(coroutine.wrap(grow)) end end
                """),
        Escape(
            "captures and replacements of the whole subject", .memory,
            source: """
                local s = string.rep("x", 1000000)
                function on_request(h)
                  pcall(string.find, s, string.rep("(", 31) .. ".*" .. string.rep(")", 31))
                  pcall(string.gsub, s, ".*", string.rep("%0", 1000))
                  while true do end
                end
                """),
        Escape(
            "coroutines without end", .memory, .instructions,
            source: """
                function on_request(h)
                  local l = {}
                  while true do
                    local c = coroutine.wrap(function() while true do coroutine.yield() end end)
                    c() l[#l + 1] = c
                  end
                end
                """),
        Escape(
            "a separator larger than memory", .memory,
            source: "local s = string.rep('x', 100000) function on_request(h) string.rep('', 100000, s) end"),
        Escape(
            "a count larger than memory", .memory, source: "function on_request(h) pcall(string.rep, 'x', 1e15) end"),
        Escape(
            "%q of a number behind a full buffer", .none,
            source: """
                function on_request(h)
                  local s = string.format(string.rep("x", 1020) .. "%q" .. string.rep("y", 5000), 12345.678)
                  assert(s == string.rep("x", 1020) .. "12345.678" .. string.rep("y", 5000))
                end
                """),
        Escape(
            "recursion until the stack is full", .script, .memory, .instructions, .time,
            source: """
                function on_request(h)
                  local function f(n) return 1 + f(n + 1) end
                  while true do pcall(f, 1) debug.traceback() end
                end
                """),
    ]

    /// Work below one instruction, where no hook comes.
    static let calls = [
        Escape(
            "a callee that is its own __call", .script,
            source: "function on_request(h) local mt = {} local t = setmetatable({}, mt) mt.__call = t t() end"),
        Escape(
            "a callee that becomes its own __call", .time,
            source: """
                function on_request(h)
                  local mt = {__call = print} local t = setmetatable({}, mt)
                  mt.__call = t
                  while true do pcall(t) end
                end
                """),
        Escape(
            "the same in coroutines", .time,
            source: """
                function on_request(h)
                  local mt = {__call = print} local t = setmetatable({}, mt)
                  mt.__call = t
                  coroutine.wrap(function() while true do pcall(coroutine.wrap(function() t() end)) end end)()
                end
                """),
        Escape(
            "an __index that leads back, asked for a long key", .time, .instructions,
            source: """
                local base = string.rep("k", 300000)
                local key, other = base .. "x", base .. "y"
                local m = {__index = {}} local u = setmetatable({[other] = 1}, m)
                m.__index = u
                local function f() return u[key] end
                function on_request(h) while true do pcall(f) end end
                """),
        Escape(
            "a chain of __index asked for a long key", .time, .instructions,
            source: """
                local base = string.rep("k", 60000)
                local key, other = base .. "x", base .. "y"
                function on_request(h)
                  local t = {}
                  for i = 1, 1990 do t = setmetatable({[other] = 1}, {__index = t}) end
                  while true do local x = t[key] end
                end
                """),
        Escape(
            "errors whose value takes long to name", .script, .time, .instructions,
            source: """
                local f = load("local t=... if t.q then " .. string.rep("a=b ", 9000) .. " end return t"
                  .. string.rep(".a", 450) .. ".x.y")
                local t = {} t.a = t
                function on_request(h) assert(f) while true do pcall(f, t) end end
                """),
        Escape(
            "hundreds of thousands of arguments", .memory, .time, .instructions,
            source: """
                local function f(...) while true do local n = select("#", ...) end end
                local function grow(n, ...)
                  if n == 0 then return f(...) end
                  return grow(n - 1, 1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0, ...)
                end
                function on_request(h) grow(4000) end
                """),
        Escape(
            "coroutines made before blocks grew", .time, .instructions,
            source: """
                local A, B = "", ""
                local function work()
                  while true do
                    coroutine.yield()
                    local x = A < B x = A < B x = A < B x = A < B x = A < B x = A < B x = A < B
                  end
                end
                function on_request(h)
                  A, B = "", ""
                  local l = {}
                  for i = 1, 200 do l[i] = coroutine.wrap(work) l[i]() end
                  A = string.rep("\\0", 900000) B = A .. "b" A = A .. "a"
                  while true do for i = 1, 200 do l[i]() end end
                end
                """),
        Escape(
            "blocks that grow by a little must not start the count anew", .instructions, .time,
            source: """
                function on_request(h)
                  local n = 16384
                  while true do
                    for i = 1, 900 do end
                    n = n + 16
                    local s = string.rep("x", n)
                  end
                end
                """),
        Escape(
            "tracebacks of a deep stack", .time, .instructions, .memory,
            source: """
                local function f(n)
                  if n == 0 then while true do debug.traceback() end end
                  return 1 + f(n - 1)
                end
                function on_request(h) f(30000) end
                """),
        Escape(
            "tracebacks and argument errors among many globals", .time, .instructions,
            source: """
                for i = 1, 20000 do _G["k" .. i] = true end
                function on_request(h) while true do debug.traceback() pcall(string.rep) end end
                """),
        Escape(
            "numbers of a million digits", .time, .instructions,
            source: """
                local s = string.rep("1", 1000000)
                local function add() return s + 1 end
                function on_request(h) while true do pcall(add) pcall(tonumber, s) pcall(tonumber, s, 10) end end
                """),
        Escape(
            "a closer that resumes what the hook does not count", .script,
            source: """
                local closers = {}
                function on_request(h)
                  local w = coroutine.wrap(function() coroutine.yield() while true do end end)
                  w()
                  local mt = {} local o = setmetatable({}, mt)
                  mt.__close = w
                  local c <close> = o
                  h:respond({[":status"] = "200"}, "hi")
                end
                """),
    ]
}
