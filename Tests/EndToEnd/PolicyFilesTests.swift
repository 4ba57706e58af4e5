internal import Foundation
internal import MartletTesting
internal import Testing

@Suite("Files of policies")
struct PolicyFilesTests {
    private static let script = """
        local words = require("lib.words")
        local blocked = words.lines(data.blocked)
        function on_request(handle)
          if blocked[handle:headers():get("user-agent")] then handle:respond({[":status"] = 403}, words.no) end
        end
        """
    private static let words = """
        local words = { no = "no " .. ... .. "\\n" }
        function words.lines(text)
          local set = {}
          for line in text:gmatch("[^\\n]+") do set[line] = true end
          return set
        end
        return words
        """
    private static let policy = "    data: { blocked: blocked.txt }\n    modules: { lib.words: words.lua }\n"

    private func proxy(_ script: String = script) throws -> PolicyProxy {
        try PolicyProxy(script, policy: Self.policy, files: ["blocked.txt": "bad\nworse\n", "words.lua": Self.words])
    }

    private func status(_ test: PolicyProxy, agent: String) throws -> String {
        let answer = try test.proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: \(agent)\r\n\r\n")
        return String(answer.dropFirst(9).prefix(3))
    }

    @Test("data has the files' texts, require the modules; a changed file makes a new version")
    func files() throws {
        let test = try proxy()
        #expect(try status(test, agent: "good") == "200")
        #expect(try status(test, agent: "worse") == "403")
        // Nobody says anything: the proxy watches what policies are made of.
        try test.proxy.write("blocked.txt", "good\n")
        #expect(try eventually { try status(test, agent: "good") == "403" })
        #expect(try status(test, agent: "worse") == "200")
        try test.proxy.write("words.lua", Self.words.replacingOccurrences(of: "no = ", with: "no = 'newly ' .. "))
        #expect(
            try eventually {
                try test.proxy.exchange(
                    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: good\r\n\r\n"
                ).hasSuffix("\r\n\r\nnewly no lib.words\n")
            })
    }

    @Test("What is wrong with a file is said where it is named, and changes nothing")
    func mistakes() throws {
        let test = try proxy()
        let good = try String(contentsOf: test.proxy.file, encoding: .utf8)
        for (wrong, message) in [
            ("data: { blocked: nowhere.txt }", "policies[0].data.blocked: cannot read"),
            ("data: { blocked: [a] }", "data.blocked: expected"),
            (
                "modules: { lib.other: words.lua }",
                "module 'lib.words' not found: name its file in the policy's `modules`"
            ),
        ] {
            let key = wrong.prefix { $0 != ":" }
            let text = good.split(separator: "\n").map { line in
                line.trimmingCharacters(in: .whitespaces).hasPrefix(key + ": {") ? "    " + wrong : String(line)
            }.joined(separator: "\n")
            try test.proxy.write("martlet.yaml", text)
            let answer = try test.proxy.admin("/reload", method: "POST")
            #expect(answer.hasPrefix("HTTP/1.1 422 "))
            #expect(answer.contains(message), "\(answer)")
            #expect(try status(test, agent: "bad") == "403")
        }
    }

    @Test("Modules load once, fail with their own names, and cannot require themselves")
    func modules() throws {
        let test = try proxy(
            """
            assert(require("lib.words") == require("lib.words"))
            local _, none = pcall(require, "io")
            function on_response(handle) handle:headers():add("x-none", none) end
            """)
        #expect(try test.proxy.get("/").contains("x-none: module 'io' not found"))
        for (module, message) in [
            ("return require('lib.words')", "module 'lib.words' requires itself"),
            ("return 1 +", "lib.words.lua:1: unexpected symbol"), ("error('deep')", "lib.words.lua:1: deep"),
            ("while true do end", "budget"), ("\u{1B}Lua", "attempt to load a binary chunk"),
        ] {
            try test.proxy.write("words.lua", module)
            let answer = try test.proxy.admin("/reload", method: "POST")
            #expect(answer.contains(message), "\(answer)")
        }
        #expect(try test.proxy.get("/").hasSuffix("ok"))
    }

    @Test("The libraries are there by require")
    func libraries() throws {
        let test = try PolicyProxy(
            """
            local json = require("json")
            assert(json == _G.json and require("string") == string and not pcall(require, "io"))
            function on_response(handle) handle:headers():add("x-part", json.encode({1, 2})) end
            """)
        #expect(try test.proxy.get("/").contains("x-part: [1,2]\r\n"))
        let own = try PolicyProxy(
            "function on_response(handle) handle:headers():add('x-own', require('json').name .. type(json.encode)) end",
            policy: "    modules: { json: own.lua }\n", files: ["own.lua": "return { name = 'own' }"])
        #expect(try own.proxy.get("/").contains("x-own: ownfunction\r\n"))
    }

    @Test("What fails to load is told in one line that begins with the place")
    func loadErrors() throws {
        let test = try PolicyProxy("function on_request(h) end")
        try test.proxy.write("p.lua", "local function check(x) error('bad ' .. x) end\ncheck('table')")
        let answer = try test.proxy.admin("/reload", method: "POST")
        #expect(answer.contains("does not load: p.lua:1: bad table"))
        #expect(!answer.contains("traceback"))
    }
}
