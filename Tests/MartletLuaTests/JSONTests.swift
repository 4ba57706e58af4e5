import Testing

@Suite("Lua: json")
struct JSONTests {
    @Test("What is written as it was read")
    func roundTrips() throws {
        let texts = [
            "1", "-1", "0", "-0", "1.5", "0.1", "4.35", "-0.000125", "1e+300", "4.94065645841247e-324",
            "1.7976931348623157e+308",
            "9223372036854775807", "-9223372036854775808", "123456789.25", "0.30000000000000004", #""a""#, #""""#,
            "true", "false", "null", "[]", "{}", "[[],{}]", "[1,2,3]", #"{"a":[{}]}"#, #"[[],{"b":null}]"#,
            #""\u0001\b\f\n\r\t\"\\/""#, #""é€😀""#, "[null,null]",
        ]
        try check(texts.map { Case("json.encode(json.decode([==[\($0)]==]))", $0) })
    }

    @Test("What is read from the texts JSON allows")
    func reading() throws {
        try check([
            Case(
                "math.type(json.decode('1')), math.type(json.decode('1.0')), math.type(json.decode('1e2'))",
                "integer | float | float"),
            Case("json.decode('9223372036854775808')", "9.2233720368548e+18"),
            Case("json.decode('  [ 1 , 2 ]  ')[2]", "2"),
            Case(#"json.decode('\n\r\t{"a"\t:\n1}').a"#, "1"),
            Case(#"json.decode('"\\u00e9\\ud83d\\ude00\\/"')"#, "é😀/"),
            Case(#"#json.decode('"\\u0000"')"#, "1"),
            Case(#"json.decode('{"a":1,"a":2}').a"#, "2"),
            Case(#"json.decode('{"":1}')[""]"#, "1"),
            Case("json.decode('null') == json.null, tostring(json.null), type(json.null)", "true | null | userdata"),
            Case(
                "json.decode('0.1e1') == 1, json.decode('1E-2') == 0.01, 1 / json.decode('-0') < 0",
                "true | true | true"),
            Case("json.decode('-0.000000000000000000000000000000000000000000000000000001') < 0", "true"),
            Case("json.decode(string.rep('[', 64) .. string.rep(']', 64)) ~= nil", "true"),
            Case("json.decode('1e-400')", "0.0"),
            Case("json.decode('123123e100000')", "nil | number out of range at byte 1"),
        ])
    }

    @Test("Malformed texts are refused, with the byte at which they go wrong")
    func malformed() throws {
        let invalidUTF8 = [
            "\\255", "\\x80", "\\xc3", "\\xc0\\x80", "\\xe0\\x80\\x80", "\\xed\\xa0\\x80", "\\xed\\xbf\\xbf",
            "\\xf0\\x80\\x80\\x80", "\\xf4\\x90\\x80\\x80", "\\xf5\\x80\\x80\\x80", "\\xe2\\x82",
        ]
        let texts = [
            "", " ", "[", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "{", #"{"a""#, #"{"a":"#, #"{"a":1"#,
            #"{"a":1,"#, #"{"a":1,}"#, "{a:1}", #"{"a" 1}"#, #"{"a"::1}"#, "{1:1}", "{null:1}", #"{"a":1 "b":2}"#, "01",
            "-", "-01", "+1", "1.", ".5", "-.5", "1e", "1e+", "1.e1", "0x10", "-0x10", "1_0", "0e", "1.2.3", "--1",
            "nul",
            "tru", "nulll", "True", "NaN", "nan", "Infinity", "-Infinity", "'a'", #"""#, #"\"\"#, #""\x""#, #""\u12""#,
            #""\u12g4""#, #""\ud800""#, #""\ud800x""#, #""\udc00""#, #""\ud800\u0041""#, #""\ud800\ud800""#, "1 2",
            "[]]",
            "{}}", "1e999", "-1e999", "/**/1", "[1]//", "]", "}", ":", ",", "\u{feff}1", "a", #"["a"#, #"[""#,
        ]
        let control = [#"'"\1"'"#, #"'"\n"'"#, #"'"\0"'"#, #"'"\127\31"'"#, #"'1\0'"#, #"'[\0]'"#, #"'\0'"#]
        let sources =
            texts.map { "[==[\($0)]==]" } + control + invalidUTF8.map { "'\"\($0)\"'" }
            + [
                "string.rep('[', 65)", "string.rep('[', 100000)", "string.rep('9', 600) .. '.5'",
                #"string.rep('{"a":', 65)"#,
            ]
        try check(
            sources.map { source in
                Case(
                    "(function() local v, e = json.decode(\(source)) return v, e:find(' at byte %d+$') ~= nil end)()",
                    "nil | true")
            })
        try check([
            Case("json.decode('[1,2,x]')", "nil | invalid value at byte 6"),
            Case("json.decode('[1,2')", "nil | expected ',' or ']' at byte 5"),
            Case(#"json.decode('{"a":1}x')"#, "nil | text after the value at byte 8"),
            Case("json.decode(string.rep('[', 65))", "nil | nested too deep at byte 65"),
            Case(#"json.decode('"a\255"')"#, "nil | invalid UTF-8 at byte 3"),
            Case(#"json.decode('"abc')"#, "nil | unfinished string at byte 5"),
            Case("json.decode('')", "nil | unexpected end at byte 1"),
            Case("json.decode({})", "!string expected, got table"),
        ])
    }

    @Test("What Lua values become")
    func writing() throws {
        try check([
            Case("json.encode(10 / 2)", "5"),
            Case("json.encode(-3.0)", "-3"),
            Case("json.encode(1e15)", "1000000000000000"),
            Case("json.encode(2^63)", "9.2233720368547758e+18"),
            Case("json.encode(1/3)", "0.33333333333333331"),
            Case("json.encode({})", "{}"),
            Case("json.encode(json.array{}), json.encode(json.array())", "[] | []"),
            Case("json.encode(json.array{1, 2})", "[1,2]"),
            Case("json.encode({1, 'x', true, json.null})", #"[1,"x",true,null]"#),
            Case("json.encode({[2] = 'b'})", #"{"2":"b"}"#),
            Case("json.encode(nil)", "null"),
            Case("(function() local a = json.decode('[1]') a[1] = nil return json.encode(a) end)()", "[]"),
            Case(#"json.encode("\"\\\n\1\127/")"#, #""\"\\\n\u0001\#u{7f}/""#),
            Case("#json.encode(string.rep('\\n', 1000)), #json.encode(string.rep('\\1', 1000))", "2002 | 6002"),
            Case(
                "json.encode({a = {1, {b = json.null}}, }, {pretty = true})",
                "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ]\n}"),
            Case("json.encode({{}, json.array()}, {pretty = true})", "[\n  {},\n  []\n]"),
            Case("json.encode({1}, {pretty = false})", "[1]"),
        ])
    }

    @Test("What has no JSON is refused by an error")
    func refusals() throws {
        try check(
            [
                Case("json.encode(print)", "!a function is no JSON value"),
                Case("json.encode({handle})", "!a userdata is no JSON value"),
                Case("json.encode({[true] = 1})", "!a key must be a string or an integer"),
                Case("json.encode({[1.5] = 1})", "!a key must be a string or an integer"),
                Case("json.encode({[2] = 1, ['2'] = 1})", "!both as text and as a number"),
                Case("json.encode(json.array{a = 1})", "!an array has a key"),
                Case("json.encode(0/0)", "!nan is no JSON number"),
                Case("json.encode({-1/0})", "!infinity is no JSON number"),
                Case("json.encode('ab\\255')", "!not UTF-8 at byte 3"),
                Case("json.encode({['\\255'] = 1})", "!not UTF-8 at byte 1"),
                Case("json.encode(cycle)", "!a table contains itself"),
                Case("json.encode(deep)", "!nested too deep"),
                Case("json.encode()", "!value expected"),
                Case("json.array(setmetatable({}, {}))", "!has a metatable"),
                Case("setmetatable(json.array(), {})", "!protected metatable"),
                Case("setmetatable(json, {})", "!protected metatable"),
                Case("getmetatable(json), getmetatable(json.null), getmetatable(json.array())", "json | null | array"),
                Case("json.encode({twice, twice})", "[[],[]]"),
            ],
            before: """
                cycle = {} cycle.inner = {cycle}
                deep = {} for i = 1, 64 do deep = {deep} end
                twice = json.array()
                """)
    }

    @Test("Random values come back as they were")
    func randomRoundTrips() throws {
        let vm = try #require(ScriptVM())
        let failure = vm.load(
            """
            local letters = { "a", '"', "\\\\", "\\n", "\\1", "é", "€", "😀", "/", " " }
            local function value(depth)
              local kind = math.random(1, depth > 4 and 5 or 7)
              if kind == 1 then return math.random(-2^53 // 1, 2^53 // 1) end
              if kind == 2 then return (math.random() - 0.5) * 10.0 ^ math.random(-300, 300) end
              if kind == 3 then
                local text = {}
                for i = 1, math.random(0, 20) do text[i] = letters[math.random(1, #letters)] end
                return table.concat(text)
              end
              if kind == 4 then return math.random(1, 2) == 1 end
              if kind == 5 then return math.random(0, 10^9) / 10 ^ math.random(1, 6) end
              local t = kind == 6 and json.array() or {}
              for i = 1, math.random(0, 6) do
                if kind == 6 then t[i] = value(depth + 1) else t["k" .. math.random(1, 99)] = value(depth + 1) end
              end
              return t
            end
            local function same(a, b)
              if type(a) ~= "table" then return a == b end
              for k, v in pairs(a) do if not same(v, b[k]) then return false end end
              for k in pairs(b) do if a[k] == nil then return false end end
              return getmetatable(a) == getmetatable(b)
            end
            function on_request(handle)
              for i = 1, 3000 do
                local v = value(0)
                for _, options in ipairs{ {}, { pretty = true } } do
                  local text = json.encode(v, options)
                  if not same(v, json.decode(text)) then handle:logInfo(text) end
                end
              end
            end
            """)
        #expect(failure == nil)
        let outcome = vm.run()
        #expect(outcome.isDone, "\(outcome.message)")
        #expect(vm.takeLines() == [])
    }

    @Test("A 16 KiB body is read and written for a tenth of the default budget")
    func cost() throws {
        let item =
            #"{"id":17,"name":"item number 17","price":17.25,"tags":["red","green \"x\"","blé"],"ok":true,"note":null,"at":{"x":[1,2,3]}}"#
        let body = "[" + Array(repeating: item, count: 16384 / (item.utf8.count + 1)).joined(separator: ",") + "]"
        let vm = try #require(ScriptVM())
        #expect(
            vm.load(
                "local body = [==[\(body)]==] function on_request() assert(#json.encode(json.decode(body)) > 15000) end"
            )
                == nil)
        let outcome = vm.run()
        #expect(outcome.isDone, "\(outcome.message)")
        #expect(outcome.instructions > 2_000 && outcome.instructions < 100_000)
    }
}
