internal import MartletConfig
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

/// Reads the certificates, keys and lists that a configuration names, and reports those that cannot be used where they are
/// named. What was read is watched: a file that changes is a change of the configuration.
struct TLSFileReader {
    let diagnostics: ConfigDiagnostics

    /// Larger than any certificate chain or list of authorities.
    private static let limit = 16 << 20

    func read(_ file: FileReference) -> TLSFile? { load(file)?.file }

    /// As `read`; a key that others could read, or change, is refused.
    func readKey(_ file: FileReference) -> TLSFile? {
        guard let (key, mode) = load(file) else { return nil }
        let (others, group) = (mode & 0o007, mode & 0o020)
        if others != 0 || group != 0 {
            let octal = String(mode, radix: 8)
            diagnostics.error(
                at: file.place,
                "\(file.path): the private key may be \(others & 0o004 != 0 ? "read" : "changed") by others (mode \(octal))",
                hint: "chmod 600 \(file.path); of a Kubernetes secret, defaultMode: 0400")
            return nil
        }
        return key
    }

    private func load(_ file: FileReference) -> (file: TLSFile, mode: UInt32)? {
        do throws(ConfigFile.Failure) {
            let (bytes, state) = try diagnostics.files.readWithState(file.path, atMost: Self.limit)
            return (TLSFile(name: file.path, bytes: bytes), state.mode)
        } catch {
            diagnostics.error(at: file.place, "cannot read \(file.path): \(error.reason)")
            return nil
        }
    }

    func certificate(_ config: CertificateConfig) -> TLSCertificateFiles? {
        // Both, so that what is wrong with either is told.
        let chain = read(config.certificate)
        let key = readKey(config.privateKey)
        let staple = config.ocspStaple.map { read($0) }
        guard let chain, let key, staple != .some(nil) else { return nil }
        return TLSCertificateFiles(chain: chain, key: key, staple: staple ?? nil)
    }

    /// Reports a fault at the file that it is about.
    func report(_ fault: TLSFault, among files: [FileReference], at place: ConfigPlace) {
        let named = files.first { $0.path == fault.file }
        diagnostics.error(at: named?.place ?? place, fault.description, hint: fault.hint)
    }

    func warn(_ warnings: [TLSWarning], among files: [FileReference], at place: ConfigPlace) {
        for warning in warnings {
            let named = files.first { $0.path == warning.file }
            diagnostics.warning(at: named?.place ?? place, warning.description)
        }
    }
}

extension TLSChoices {
    init(_ parameters: TLSParameters) {
        self.init()
        minVersion = parameters.minVersion
        maxVersion = parameters.maxVersion
        cipherSuites = parameters.cipherSuites
        curves = parameters.curves
    }
}
