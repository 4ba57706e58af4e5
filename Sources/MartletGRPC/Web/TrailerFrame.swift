package import MartletCore

/// gRPC-Web's last frame: trailers as a block of HTTP/1 lines, names in lower case, behind a prefix with its highest bit set.
package enum TrailerFrame {
    static let flag: UInt8 = 0x80

    /// Appends the frame of all fields of `trailers`. A field that cannot stand in such a block is left out.
    package static func append(_ trailers: HeaderTable, to out: inout [UInt8]) {
        var block: [UInt8] = []
        for index in 0..<trailers.count {
            let (name, value) = (trailers.name(at: index), trailers.value(at: index))
            guard HeaderTable.isToken(name), HeaderTable.isSafeValue(value) else { continue }
            for place in name.indices { block.append(name[place].lowercasedASCII) }
            block += [0x3A, 0x20]
            for place in value.indices { block.append(value[place]) }
            block += [0x0D, 0x0A]
        }
        MessageEncoder.appendPrefix(flags: flag, length: block.count, to: &out)
        out += block
    }
}
