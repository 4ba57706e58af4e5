package import MartletCore

/// A worker's buffers. Whoever has bytes to keep borrows one; an idle connection holds none.
package final class BufferPool {
    /// For heads and small bodies on their way out.
    package static let smallCapacity = 4096
    /// For reading: large enough that 64 KiB of body and its head come in one system call, small enough to stay in the
    /// cache.
    package static let largeCapacity = 73_728
    private static let keptSmall = 1024
    private static let keptLarge = 64

    private var small: [ByteBuffer] = []
    private var large: [ByteBuffer] = []
    /// The buffer that the present read goes to; handed on whole when somebody keeps a slice of it.
    private var scratch: ByteBuffer?

    package init() {
        small.reserveCapacity(64)
        large.reserveCapacity(16)
    }

    package func takeSmall() -> ByteBuffer { small.popLast() ?? ByteBuffer(capacity: Self.smallCapacity) }

    package func takeLarge() -> ByteBuffer { large.popLast() ?? ByteBuffer(capacity: Self.largeCapacity) }

    package func takeScratch() -> ByteBuffer {
        scratch.take() ?? takeLarge()
    }

    /// As `takeScratch`, with `kept` at its start and at least as much room behind it.
    package func takeScratch(behind kept: ByteBuffer?) -> ByteBuffer {
        guard let kept else { return takeScratch() }
        // A head close to a limit beyond the pool's buffers; rare, so not pooled.
        let buffer = kept.count > Self.largeCapacity / 2 ? ByteBuffer(capacity: kept.count * 2) : takeScratch()
        buffer.append(kept.bytes())
        return buffer
    }

    /// Gives up the reference in `holder`. The buffer goes back to the pool when it was the last one.
    package func release(_ holder: inout ByteBuffer?) {
        guard isKnownUniquelyReferenced(&holder), let capacity = holder?.capacity else { return holder = nil }
        holder?.removeAll()
        // Moved, so that no reference is counted.
        switch capacity {
        case Self.largeCapacity:
            if scratch == nil {
                swap(&scratch, &holder)
            } else if large.count < Self.keptLarge, let buffer = holder.take() {
                large.append(buffer)
            }
        case Self.smallCapacity:
            if small.count < Self.keptSmall, let buffer = holder.take() { small.append(buffer) }
        default: break
        }
        holder = nil
    }
}
