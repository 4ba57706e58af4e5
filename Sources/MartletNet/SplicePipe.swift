internal import CLinux

/// A pipe through which bytes go from one socket to another without leaving the kernel.
package final class SplicePipe {
    /// What it holds when the kernel agrees. Measured: four times the usual size halves what a byte costs, more changes nothing.
    static let size: Int32 = 262_144

    private let readEnd: Int32
    private let writeEnd: Int32
    let capacity: Int
    package private(set) var count = 0

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        // It writes two numbers, within the call.
        capacity = Int(try SystemError.check("pipe", unsafe mrt_pipe(&ends, Self.size)))
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        mrt_close(readEnd)
        mrt_close(writeEnd)
    }

    /// Takes what `socket` has received; a negative errno, or 0 at the peer's end. The pipe must be empty: if it were full, that
    /// could not be told from an empty socket.
    func fill(from socket: Int32) -> Int {
        let moved = mrt_splice(socket, writeEnd, capacity)
        if moved > 0 { count += moved }
        return moved
    }

    /// Hands everything to `socket`, or as much as it takes. `failure` is an errno, 0 when the pipe is empty.
    func empty(into socket: Int32) -> (sent: Int, failure: Int32) {
        var sent = 0
        while count > 0 {
            let moved = mrt_splice(readEnd, socket, count)
            if moved < 0 { return (sent, Int32(truncatingIfNeeded: -moved)) }
            sent += moved
            count -= moved
        }
        return (sent, 0)
    }
}

/// A worker's pipes. Who moves much borrows one for as long as there are bytes in it.
package final class SplicePipes {
    /// At once. A pipe costs two descriptors and, while it holds bytes, memory up to its size; who gets none copies. All are
    /// kept once they are made: making and closing one costs more than the copies it saves.
    private static let maxOpen = 64

    private var idle: [SplicePipe] = []
    private(set) var open = 0

    init() {}

    /// Nil when there is none to be had.
    package func take() -> SplicePipe? {
        if let pipe = idle.popLast() { return pipe }
        guard open < Self.maxOpen, let pipe = try? SplicePipe() else { return nil }
        open += 1
        return pipe
    }

    package func release(_ pipe: consuming SplicePipe) {
        // What is left in it must reach nobody else.
        if pipe.count == 0 { return idle.append(pipe) }
        open -= 1
    }
}
