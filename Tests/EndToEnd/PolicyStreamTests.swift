import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

@Suite("httpCall in pieces")
struct PolicyStreamTests {
    private static let to = """
        local function to(path, method)
          return {[":method"] = method or "GET", [":path"] = path, [":authority"] = "files.test"}
        end

        """

    @Test("The answer comes piece by piece, and is joined whole again")
    func pieces() throws {
        let body = String(repeating: "0123456789abcdef", count: 20_000)
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local headers, pieces = handle:httpCall("calls", to("/big"), nil, {stream = true, timeout_ms = 20000})
                  local all, longest = {}, 0
                  for piece in pieces do
                    all[#all + 1] = piece
                    longest = math.max(longest, #piece)
                  end
                  assert(pieces() == nil)
                  handle:respond({[":status"] = headers[":status"], ["x-several"] = tostring(#all > 1),
                    ["x-longest"] = tostring(longest <= 73728)}, table.concat(all))
                end
                """,
            calls: { _ in "HTTP/1.1 203 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)" })
        let answer = try test.proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 203 "))
        #expect(answer.contains("x-several: true\r\n"))
        #expect(answer.contains("x-longest: true\r\n"))
        #expect(answer.hasSuffix(body))
    }

    @Test("A script that does not read stops the server; reading on lets it go on, and memory stays")
    func backPressure() throws {
        let size = 64 << 20
        let sent = Locked(0)
        let files = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let piece = String(repeating: "x", count: 65_536)
            for _ in 0..<(size / 65_536) {
                guard (try? connection.send(piece)) != nil else { return }
                sent.withLock { $0 += 65_536 }
            }
            _ = connection.receive()
        }
        let test = try PolicyProxy(
            Self.to + """
                local gate = shared("gate")
                function on_request(handle)
                  if handle:headers():get(":path") == "/open" then
                    gate:set("open", true)
                    return handle:respond({[":status"] = "204"}, nil)
                  end
                  local _, pieces = handle:httpCall("calls", to("/"), nil, {stream = true, timeout_ms = 0})
                  local count = #pieces()
                  while not gate:get("open") do handle:sleep(5) end
                  for piece in pieces do count = count + #piece end
                  handle:respond({[":status"] = "200"}, tostring(count))
                end
                """, policy: "    budget: { instructions: 1000000000, time: 5s }\n", server: files)
        let proxy = test.proxy
        let before = proxy.residentMemory
        let client = try TCPSocket(port: proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        // The server is stopped: what it has sent stays the same over many looks, and is far from all.
        var last = -1
        var same = 0
        #expect(
            eventually {
                let now = sent.withLock { $0 }
                same = now == last && now > 0 ? same + 1 : 0
                last = now
                return same >= 40
            })
        #expect(last < size / 2)
        _ = try proxy.get("/open")
        #expect(client.receive(until: { $0.text.hasSuffix("\(size)") }))
        #expect(proxy.residentMemory - before < 16 << 10)
    }

    @Test("A function sends the request's body in pieces; chunks of the client's body go on as they come")
    func upload() throws {
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local chunks = handle:bodyChunks()
                  local headers, answer = handle:httpCall("calls", to("/scan", "POST"), function()
                    return chunks()
                  end, {stream = true, timeout_ms = 20000})
                  handle:logWarn("scanned " .. headers[":status"] .. " " .. answer())
                end
                """, calls: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean" })
        #expect(try test.postChunked(["first ", "second ", "third"]).hasPrefix("HTTP/1.1 200 "))
        #expect(eventually { test.proxy.logged.contains("scanned 200 clean") })
        let scanned = test.calls.recorded.first ?? ""
        #expect(scanned.contains("transfer-encoding: chunked\r\n"))
        #expect(Self.dechunked(scanned) == "first second third")
        #expect(test.upstream.recorded.first.map(Self.dechunked) == "first second third")
    }

    private static func dechunked(_ message: String) -> String {
        let body = message.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")
        return body.components(separatedBy: "\r\n").enumerated().filter { $0.offset % 2 == 1 }.map(\.element).joined()
    }

    @Test("A large body is sent in pieces that wait for room")
    func largeUpload() throws {
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local piece, sent = string.rep("x", 16384), 0
                  local headers, answer = handle:httpCall("calls", to("/all", "POST"), function()
                    if sent >= 262144 then return nil end
                    sent = sent + #piece
                    return piece
                  end, {stream = true, timeout_ms = 20000})
                  handle:respond({[":status"] = "200"}, headers[":status"] .. " " .. sent .. " " .. answer())
                end
                """, policy: "    budget: { instructions: 1000000000, time: 5s }\n",
            calls: { request in
                let count = Self.dechunked(request).utf8.count
                let text = "\(count)"
                return "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
            })
        #expect(try test.proxy.get("/all").hasSuffix("\r\n\r\n200 262144 262144"))
    }

    @Test("A server that answers before it has read everything ends the sending")
    func earlyAnswer() throws {
        let calls = try ScriptedUpstream { _, connection in
            guard connection.receive(until: { $0.text.contains("\r\n\r\n") }) else { return }
            try? connection.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
            _ = connection.discard(1 << 30)
        }
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local piece, count = string.rep("x", 65536), 0
                  local headers, answer = handle:httpCall("calls", to("/", "PUT"), function()
                    count = count + 1
                    return count <= 100000 and piece or nil
                  end, {stream = true, timeout_ms = 20000})
                  handle:respond({[":status"] = headers[":status"]}, answer() .. tostring(count < 100000))
                end
                """, policy: "    budget: { instructions: 1000000000, time: 5s }\n", server: calls)
        let proxy = test.proxy
        #expect(try proxy.get("/").hasSuffix("\r\n\r\nnotrue"))
    }

    @Test("An answer that breaks off is an error in the script, one that never begins a 503")
    func broken() throws {
        let calls = try ScriptedUpstream { _, connection in
            guard let request = connection.nextRequest(), request.contains("/half") else { return }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        }
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local headers, pieces = handle:httpCall("calls", to("/half"), nil, {stream = true, timeout_ms = 20000})
                  local first = pieces()
                  local ok, message = pcall(pieces)
                  local again = select(2, pcall(pieces))
                  local other, words = handle:httpCall("calls", to("/none"), nil, {stream = true, timeout_ms = 20000})
                  local both = select(2, pcall(handle.httpCall, handle, "calls", to("/"), nil, {stream = true, asynchronous = true}))
                  local _, odd = pcall(handle.httpCall, handle, "calls", to("/"), function() return {} end, {stream = true})
                  handle:respond({[":status"] = "200"}, table.concat({headers[":status"], first, tostring(ok), message,
                    tostring(again), other[":status"], words(), tostring(words()), both, odd}, "|"))
                end
                """, server: calls)
        let proxy = test.proxy
        let answer = try proxy.get("/")
        #expect(
            answer.hasSuffix(
                "200|half|false|the answer to the call broke off|the answer to the call broke off|503|upstream failure|nil|"
                    + "a call cannot be both `stream` and `asynchronous`|"
                    + "the function for a body answers text, a buffer, or nil at its end, not a table"), "\(answer)")
    }

    @Test("A run that ends, and a client that goes, end the call")
    func abandoned() throws {
        let asked = Locked(0)
        let ended = Locked(0)
        let files = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            asked.withLock { $0 += 1 }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome")
            if case .bytes = connection.receive() { return }
            ended.withLock { $0 += 1 }
        }
        let test = try PolicyProxy(
            Self.to + """
                function on_request(handle)
                  local _, pieces = handle:httpCall("calls", to("/"), nil, {stream = true, timeout_ms = 0})
                  pieces()
                  if handle:headers():get(":path") == "/wait" then pieces() end
                end
                """, server: files)
        let proxy = test.proxy
        #expect(try proxy.get("/").hasPrefix("HTTP/1.1 200 "))
        #expect(eventually { ended.withLock { $0 } == 1 })
        let client = try TCPSocket(port: proxy.port)
        try client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { asked.withLock { $0 } == 2 })
        client.reset()
        #expect(eventually { ended.withLock { $0 } == 2 })
    }
}
