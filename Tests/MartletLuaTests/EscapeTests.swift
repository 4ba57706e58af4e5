import Testing

@Suite("No script gets out of its budget")
struct EscapeTests {
    /// A hook of the same script that uses nothing of the other.
    private static let neighbour = """

        function on_response(h)
          local t = setmetatable({}, {__index = function(_, k) return k end})
          assert(t.x == "x" and ("a,b"):gsub(",", ";") == "a;b" and #h:headers():get("a") > 0)
        end
        """

    @Test(
        "Escapes end as a breach or an error, leave nothing behind, and the next run is none the worse",
        arguments: Escape.all)
    func escape(_ escape: Escape) throws {
        let vm = try #require(EscapeVM())
        let loaded = vm.load(escape.source + Self.neighbour)
        guard loaded.error == .none else {
            #expect(escape.ends.contains(loaded.error), "\(loaded.message)")
            return
        }
        // Makes what a VM keeps for its runs.
        #expect(vm.response().error == .none)
        _ = vm.request()
        vm.collect()
        let before = vm.memory
        let end = vm.request()
        #expect(escape.ends.contains(end.error), "\(end.error): \(end.message)")
        if end.error == .memory || end.error == .instructions || end.error == .time {
            #expect(end.message.contains("budget of") || end.message.contains("not enough memory"))
        }
        let after = vm.response()
        #expect(after.error == .none, "\(after.message)")
        vm.collect()
        #expect(vm.memory <= before + 4096)
    }

    @Test("A policy's schema is read without running anything of it")
    func schema() throws {
        let vm = try #require(EscapeVM())
        let loop = "setmetatable({}, {__index = function() while true do end end})"
        #expect(
            vm.load("schema = { a = \(loop), [\"b\"] = setmetatable({type = \"any\", optional = true}, {}) }").error
                == .none)
        #expect(vm.checkParameters())
    }

    @Test(
        "A breach cannot be caught",
        arguments: ["pcall(f)", "xpcall(f, print)", "coroutine.wrap(f)()", "pcall(pcall, f)"])
    func caught(_ call: String) throws {
        let vm = try #require(EscapeVM(instructions: 100_000))
        #expect(
            vm.load(
                "local function f() while true do end end function on_request(h) \(call) while true do \(call) end end"
            ).error == .none)
        let end = vm.request()
        #expect(end.error == .instructions)
        #expect(end.instructions < 110_000)
    }
}
