extension Escape {
    /// Loops over tables, and what the collector does with them.
    static let tables = [
        Escape(
            "concat over every integer", .instructions, .time,
            source: """
                function on_request(h)
                  pcall(table.concat, setmetatable({}, {__index = function() return "" end}), "", math.mininteger, math.maxinteger)
                end
                """),
        Escape(
            "concat as its own __index", .instructions, .time,
            source: """
                local t = setmetatable({}, {__index = table.concat})
                function on_request(h) while true do pcall(table.concat, t, "", math.mininteger, math.maxinteger) end end
                """),
        Escape(
            "move of nothing", .instructions, .time,
            source: "function on_request(h) pcall(table.move, {}, 1, math.maxinteger - 1, 2) end"),
        Escape(
            "move by C functions only", .instructions, .time,
            source: """
                local from = setmetatable({}, {__index = rawequal})
                local to = setmetatable({}, {__newindex = rawequal})
                function on_request(h) while true do pcall(table.move, from, 1, 1e9, 1, to) end end
                """),
        Escape(
            "lengths that are lies", .instructions, .time,
            source: """
                local t = setmetatable({}, {__len = function() return math.maxinteger - 1 end})
                function on_request(h)
                  pcall(table.sort, t) pcall(table.unpack, t)
                  pcall(table.remove, t, 1) pcall(table.foreachi, t, type) pcall(table.insert, t, 1, 1) pcall(table.concat, t)
                end
                """),
        Escape(
            "sort of long strings", .instructions, .time,
            source: """
                local z = string.rep("\\0", 400000)
                local a, b = z .. "a", z .. "b"
                function on_request(h)
                  local t = {} for i = 1, 10000 do t[i] = i % 2 == 0 and a or b end
                  table.sort(t)
                end
                """),
        Escape(
            "sort of long strings by C functions", .instructions, .time,
            source: """
                local z = string.rep("z", 500000)
                local l = {} for i = 1, 7 do l[i] = z .. i end
                for i = 8, 1000 do l[i] = l[i % 7 + 1] end
                function on_request(h) while true do pcall(table.sort, l, rawequal) end end
                """),
        Escape(
            "sort by next over emptied tables", .instructions, .time,
            source: """
                local mt = {__lt = next}
                local a, b = setmetatable({}, mt), setmetatable({}, mt)
                a[b] = 1
                for i = 1, 100000 do a[i] = 1 end
                for i = 1, 100000 do a[i] = nil end
                local l = {} for i = 1, 1000 do l[i] = i % 2 == 0 and a or b end
                function on_request(h) while true do pcall(table.sort, l) end end
                """),
        Escape(
            "next over an emptied table", .instructions, .time,
            source: """
                local t = {}
                for i = 1, 200000 do t[i] = 1 end
                for i = 1, 200000 do t[i] = nil end
                function on_request(h) while true do next(t) end end
                """),
        Escape(
            "weak keys, which a collection goes over again and again", .script,
            source: """
                function on_request(h)
                  local ks, N = {}, 20000
                  for i = 1, N do ks[i] = {} end
                  local E = setmetatable({}, {__mode = "k"})
                  for i = 1, N - 1 do E[ks[i]] = ks[i + 1] end
                end
                """),
        Escape(
            "weak keys and values", .script,
            source: "function on_request(h) setmetatable({}, {__mode = 'vk'}) end"),
        Escape(
            "weak keys set later", .script,
            source: "function on_request(h) local mt = {} setmetatable({}, mt) mt.__mode = 'k' end"),
        Escape(
            "weak keys in the place of weak values", .instructions, .time,
            source: """
                function on_request(h)
                  local mt = {__mode = "v"} local E = setmetatable({}, mt)
                  mt.__mode = "k"
                  assert(not pcall(setmetatable, {}, mt) and getmetatable(E) == mt)
                  -- Were it weak in its keys, this would take minutes.
                  local ks, N = {}, 15000
                  for i = 1, N do ks[i] = {} end
                  for i = N, 2, -1 do local j = math.random(i) ks[i], ks[j] = ks[j], ks[i] end
                  for i = 1, N - 1 do E[ks[i]] = ks[i + 1] end
                  while true do local t = {{}} end
                end
                """),
        Escape(
            "numbers that get to the same place when their table grows", .memory,
            source: """
                local m, n = (1 << 18) - 1, 1 << 17
                function on_request(h)
                  local t = {}
                  for i = 1, n do pcall(rawset, t, i * m, true) end
                  pcall(rawset, t, (n + 1) * m, true)
                end
                """),
        Escape(
            "finalizers", .script,
            source: "function on_request(h) setmetatable({}, {__gc = function() while true do end end}) end"),
        Escape(
            "a table changed while it is walked", .none, .script,
            source: """
                function on_request(h)
                  local t = {1, 2, 3}
                  for k in next, t do t[k + 100] = 1 t[k] = nil if k > 10000 then break end end
                end
                """),
    ]
}
