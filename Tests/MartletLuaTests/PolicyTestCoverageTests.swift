import CLua
import MartletLua
import Testing

@Suite("Coverage of policies by line")
struct PolicyTestCoverageTests {
    private static let policy = """
        -- A comment is no code.
        local limit = 3

        local function double(x)
          return x * 2
        end

        local function unused(x)
          local y = x + 1
          return y
        end

        function on_request(handle)
          if handle:headers():get("x-a") then
            handle:headers():add("x-b", double(limit))
          else
            handle:headers():add("x-c", "1")
          end
          for index = 1, 2 do
            if index > 5 then
              handle:logInfo("never")
            end
          end
        end

        function on_response(handle)
          local text = [[
            a long
            string]]
          if #text == 0 then return end
          local run = load("local a = 1\\nreturn a")
          run()
        end
        """

    @Test("Lines that never ran, of all that hold code")
    func lines() throws {
        let folder = try PolicyTestFolder(
            policy: Self.policy, tests: "tests: [{ name: a, request: { headers: { x-a: '1' } }, expect: {} }]")
        #expect(folder.text(coverage: true).hasSuffix("\npolicy.lua: 80% (lines 9-10, 17, 21 not run)"))
    }

    @Test("Tests add up")
    func together() throws {
        let folder = try PolicyTestFolder(
            policy: Self.policy,
            tests: "tests: [{ name: a, request: { headers: { x-a: '1' } }, expect: {} }, { name: b, expect: {} }]")
        #expect(folder.text(coverage: true).hasSuffix("\npolicy.lua: 85% (lines 9-10, 21 not run)"))
    }

    @Test("A policy that does not load has no lines")
    func broken() throws {
        let folder = try PolicyTestFolder(policy: "local = 1", tests: "tests: [{ name: a, expect: {} }]")
        #expect(!folder.text(coverage: true).contains("policy.lua: "))
    }

    @Test("Budgets count the same with and without it")
    func budget() throws {
        let tests = """
            budget: { instructions: 3000 }
            tests: [{ name: a, expect: { error: instruction budget of 3000 exceeded, response: { status: 500 } } }]
            """
        let folder = try PolicyTestFolder(policy: "function on_request()\n  while true do\n  end\nend", tests: tests)
        #expect(folder.run(coverage: true).failed == 0)
        #expect(folder.run().failed == 0)
    }

    @Test("VMs outlive the collection they took part in")
    func life() {
        let collector = unsafe mrt_coverage_start()
        var options = unsafe mrt_options()
        unsafe options.max_memory = 1 << 20
        unsafe options.max_instructions = 1_000_000
        unsafe options.max_time = 1_000_000_000
        let vm = unsafe mrt_vm_new(&options)
        if let collector = unsafe collector { unsafe mrt_coverage_stop(collector) }
        #expect(unsafe vm != nil)
        if let vm = unsafe vm { #expect(unsafe mrt_vm_close(vm) == 0) }
    }
}
