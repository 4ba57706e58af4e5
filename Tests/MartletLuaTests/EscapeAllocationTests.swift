import Testing

/// Every allocation can fail. None of them may crash, leak, or leave a VM behind that runs no more.
@Suite("Memory that runs short at any moment")
struct EscapeAllocationTests {
    /// Calls every function a script can reach, with arguments of several kinds.
    private static let everything = """
        local arguments = {{}, {"abc"}, {{3, 1, 2}}, {"abc", 2}, {"abc", "b"}, {"abc", "(b)", "<%1>"}, {{1, 2}, ","}, {print}}
        local handle_methods = {
          "headers", "body", "bodyChunks", "trailers", "config", "filterContext", "metadata", "context", "connection", "route",
          "virtualHost", "stats", "streamInfo", "connectionStreamInfo", "clearRouteCache", "downstreamRequestHeaders",
          "timestamp", "timestampString",
        }
        -- A yield would end the run, and the hooks are what calls.
        local function call(f, a, b, c)
          if f ~= coroutine.yield and f ~= on_request and f ~= on_response then pcall(f, a, b, c) end
        end
        local function call_all(library)
          for name, f in pairs(library) do
            if type(f) == "function" then
              for _, a in ipairs(arguments) do call(f, a[1], a[2], a[3]) end
            elseif type(f) == "table" and f ~= _G and f ~= library then
              call_all(f)
            end
          end
        end
        function on_response(h) assert(#h:headers():get("a") > 0) end
        function on_request(h)
          call_all(_G)
          for _, name in ipairs(handle_methods) do pcall(h[name], h) end
          for k, v in h:headers():pairs() do h:logTrace(k) end
          for k, v in pairs(h:config()) do h:logInfo(v) end
          local headers = h:headers()
          headers:add("y", 10 / 2) headers:replace("y", "z") headers:remove("q") headers:getAtIndex("x", 1)
          local body = h:body() body:setBytes(body:getBytes(0, 3) .. "x")
          for chunk in h:bodyChunks() do h:logDebug(chunk:length()) break end
          h:httpCall("c", {[":path"] = "/", q = {"1", 2}}, "body", 10)
          h:httpCalls({{cluster = "c", headers = {[":path"] = "/"}}, {cluster = "d", headers = {}}})
          local left = 3
          local _, pieces = h:httpCall("c", {[":path"] = "/"}, function()
            left = left - 1
            return left == 2 and h:body() or left == 1 and "x" or nil
          end, {stream = true, timeout_ms = 5})
          for piece in pieces do if #piece > 0 then break end end
          local store = shared("s")
          store:set("k", {a = {1, 2.5, true}}) store:get("k") store:incr("n") store:cas("k", 1, {2})
          h:streamInfo():dynamicMetadata():set("f", "k", {1}) h:streamInfo():dynamicMetadata():get("f")
          h:streamInfo():filterState():get("o") h:stats():counter("c"):inc() h:stats():histogram("h", "ms"):recordValue(3)
          local class = setmetatable({}, {__index = {x = 1}}) setmetatable({}, class) class.y = 2
          setmetatable({}, {__mode = "v"})
          string.format("%5d %q %q %s %5.2f %-20s %s", 3, "a", 1, {}, 2.5, "abc", string.rep("ab", 700, ","))
          local s = string.rep("ab,", 500):gsub("(a)(b)", "%2%1"):gsub("b", {b = 1}):gsub("a", function(x) return x .. x end)
          for w in s:gmatch("%a+") do if #w > 100 then break end end
          local co = coroutine.wrap(function(a) local b = coroutine.yield(a) error({b}) end)
          co(1) pcall(co, 2)
          local inner = coroutine.wrap(function() return h:body():length() end) inner()
          xpcall(error, debug.traceback, "x") load("local a <const> = 1 return function() return a end")()
          h:respond({[":status"] = 200, a = {"b", 1.0}}, string.rep("x", 3000))
        end
        """

    /// How many allocations `body` makes: all from that one on fail, and it succeeds. With a single failure it may succeed
    /// before, as Lua collects and tries again.
    private static func count(_ body: (UInt64) throws -> Bool) throws -> UInt64 {
        for countdown in UInt64(1)...100_000 where try body(countdown) { return countdown }
        Issue.record("there is no end of allocations")
        return 0
    }

    @Test("A run in which it fails ends, and the VM runs on")
    func runs() throws {
        let vm = try #require(EscapeVM(instructions: 100_000_000, milliseconds: 100_000))
        #expect(vm.load(Self.everything).error == .none)
        let whole = vm.request()
        try #require(whole.error == .none, "the script itself is at fault: \(whole.message)")
        func run(_ countdown: UInt64, keeps: Bool) -> Bool {
            vm.failAllocation(countdown, keeps: keeps)
            let end = vm.request()
            vm.failAllocation(0, keeps: false)
            #expect(end.error == .none || end.error == .memory || end.error == .script, "\(countdown): \(end.message)")
            let next = vm.response()
            #expect(next.error == .none, "\(countdown): \(next.message)")
            return end.error == .none
        }
        let allocations = try Self.count { run($0, keeps: true) }
        #expect(allocations > 500)
        for countdown in 1...allocations { _ = run(countdown, keeps: false) }
    }

    @Test("A VM in whose making it fails is not made, or is whole")
    func making() throws {
        func make(_ countdown: UInt64, keeps: Bool) -> Bool {
            guard let vm = EscapeVM(failing: countdown, keepsFailing: keeps) else { return false }
            vm.failAllocation(0, keeps: false)
            let loaded = vm.load("function on_request(h) assert(h:config().a == 'b' and #string.rep('x', 9) == 9) end")
            #expect(loaded.error == .none, "\(countdown): \(loaded.message)")
            #expect(vm.request().error == .none)
            return true
        }
        let allocations = try Self.count { make($0, keeps: true) }
        #expect(allocations > 300)
        for countdown in 1...allocations { _ = make(countdown, keeps: false) }
    }

    @Test("A script in whose loading it fails is not loaded")
    func loading() throws {
        func load(_ countdown: UInt64, keeps: Bool) throws -> Bool {
            let vm = try #require(EscapeVM())
            vm.failAllocation(countdown, keeps: keeps)
            let end = vm.load("local t = {a = {1, 2}, b = 'text'} function on_request(h) return t.a[1] end")
            vm.failAllocation(0, keeps: false)
            #expect(end.error == .none || end.error == .memory || end.error == .script)
            if end.error == .none { #expect(vm.request().error == .none) }
            return end.error == .none
        }
        let allocations = try Self.count { try load($0, keeps: true) }
        #expect(allocations > 20)
        for countdown in 1...allocations { _ = try load(countdown, keeps: false) }
    }
}
