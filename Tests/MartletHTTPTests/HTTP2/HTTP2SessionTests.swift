internal import MartletCore
internal import MartletHTTP
internal import Testing

@Suite("HTTP/2 sessions, two of them talking")
struct HTTP2SessionTests {
    @Test func aRequestAndItsResponse() throws {
        let pair = try #require(HTTP2Pair())
        let stream = try #require(pair.client.session.sendRequest(requestHead(), ended: true, tag: 7))
        pair.run()
        #expect(pair.server.log == ["settings", "1 GET / http none host=example.test ."])
        let body = ByteSlice(copying: Array("hello".utf8))
        let sent = pair.server.session.sendResponse(
            responseHead(200, [("content-type", "text/plain")]), framing: .exactly(5), keepsLength: false, ended: false,
            on: stream)
        #expect(sent)
        pair.server.session.sendData(body, ended: true, on: stream)
        pair.run()
        #expect(
            pair.client.log == [
                "settings", "1 200 exactly(5) content-type=text/plain content-length=5", "1 body hello.",
                "1 closed complete",
            ])
        #expect(pair.server.log.last == "1 closed complete")
    }
}
