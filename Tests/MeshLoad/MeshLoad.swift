import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MartletCore
import MartletXDS
import Synchronization

/// Proxies that are none: each has a connection and a stream of its own, and does as a Martlet proxy does with what it is told,
/// short of serving. Does what lines of standard input say; each is answered by one line.
///
///     MeshLoad HOST PORT COUNT
///     connect               all at once, with nothing held: milliseconds until each has a whole configuration
///     arm TYPE NAME         from now on, note when each gets another version of it
///     collect NANOSECONDS   how long after that moment (CLOCK_MONOTONIC) they got it
///     drop                  all connections are cut
@main
struct MeshLoad {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = Int(arguments[2]), let count = Int(arguments[3]) else { return }
        let crowd = Crowd(host: arguments[1], port: port, count: count)
        say("ready")
        // Reading blocks, and so has a thread of its own.
        let (lines, feed) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            while let line = readLine() { feed.yield(line) }
            feed.finish()
        }
        for await line in lines { say(await answer(line.split(separator: " ").map(String.init), crowd)) }
    }

    private static func answer(_ words: [String], _ crowd: Crowd) async -> String {
        switch (words.first, words.count) {
        case ("connect", 1):
            let start = Moment.now
            await crowd.connect()
            return await crowd.times(since: start, of: \.whole)
        case ("arm", 3):
            guard let type = ResourceType.allCases.first(where: { $0.rawValue.hasSuffix(words[1]) }) else { break }
            crowd.arm(type, words[2])
            return "armed"
        case ("collect", 2): return await crowd.times(since: Int64(words[1]) ?? 0, of: \.noted)
        case ("drop", 1):
            await crowd.drop()
            return "dropped"
        default: break
        }
        return "what is \(words.joined(separator: " "))?"
    }

    private static func say(_ line: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }
}

enum Moment {
    /// CLOCK_MONOTONIC, in nanoseconds.
    static var now: Int64 { Int64(clamping: DispatchTime.now().uptimeNanoseconds) }
}
