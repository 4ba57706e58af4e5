/// The files of one load. Each is read once, so that all of the load sees the same content, and what was read is what
/// the digest speaks of: a file saved while the load runs has another digest then, and is loaded again.
public final class ConfigSources {
    private var contents: [String: Result<[UInt8], ConfigFile.Failure>] = [:]
    /// In the order of their first reading.
    package private(set) var paths: [String] = []

    package init() {}

    package func read(_ path: String, atMost limit: Int) throws(ConfigFile.Failure) -> [UInt8] {
        if let known = contents[path], let bytes = try? known.get() {
            guard bytes.count <= limit else { throw ConfigFile.Failure(tooLarge: limit) }
            return bytes
        }
        if contents[path] == nil { paths.append(path) }
        let result = Result { () throws(ConfigFile.Failure) in try ConfigFile.read(path, atMost: limit) }
        contents[path] = result
        return try result.get()
    }

    /// FNV-1a over the paths and contents of `files`. Those that this load has not read are read for it.
    package func digest(of files: [String]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for file in files {
            for byte in file.utf8 { add(byte) }
            if case .success(let bytes) = contents[file] {
                for byte in bytes { add(byte) }
            } else {
                ConfigFile.forEachByte(of: file, add)
            }
        }
        return hash
    }
}
