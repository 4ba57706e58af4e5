import Foundation
import MartletTesting
import Testing

@Suite("The demo of a mesh", .serialized)
struct MeshDemoTests {
    @Test("It invites to three proxies that can be tried as it says, and leaves nothing behind")
    func life() throws {
        let demo = try TalkingTool(Tool.martlet.path, ["demo", "--mesh", "--port", "0"])
        let isReady = eventually { demo.said.contains("Press Ctrl-C") }
        try #require(isReady, "\(demo.said)")
        let text = demo.said
        func words(after start: String) throws -> String {
            let from = try #require(text.range(of: start)).upperBound
            return String(text[from...].prefix { $0 != "\n" })
        }
        let urls = try words(after: "under one control plane: ").split(separator: " ").map(String.init)
        #expect(urls.count == 3)
        let folder = try words(after: "What they do is in ").components(separatedBy: ". To try")[0]
        let server = try words(after: "export MARTLET_CONTROL=")
        func greets(_ word: String) throws -> Bool {
            try eventually {
                try urls.allSatisfy {
                    try Tool.run("curl", ["-si", "--noproxy", "*", $0]).output.contains("x-greeting: \(word)")
                }
            }
        }
        #expect(try greets("hello"))
        let applied = try Tool.run(
            "bash",
            [
                "-c",
                "cd \"$0\" && sed -i 's/\"hello\"/\"goodbye\"/' greeting.lua && env -u MARTLET_TOKEN \"$1\" apply --server \"$2\" -f mesh.yaml",
                folder, Tool.martlet.path, server,
            ])
        #expect(applied.code == 0, "\(applied)")
        #expect(try greets("goodbye"))
        #expect(demo.end() == 0)
        #expect(!FileManager.default.fileExists(atPath: folder))
        let port = try #require(URL(string: server)?.port)
        let isClosed = eventually { (try? TCPSocket(port: UInt16(port))) == nil }
        #expect(isClosed)
    }
}
