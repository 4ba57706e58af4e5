internal import MartletConfig
internal import MartletFilter

extension Supervisor {
    /// Threads and the admin socket are made once; a change to them must not pass in silence.
    func warnOfWhatNeedsARestart(_ next: ProxyConfig) {
        guard let present = snapshot?.config else { return }
        if next.admin?.address != present.admin?.address {
            options.log(.warning, "admin.address changed: it takes effect at the next start")
        }
        if options.workers == nil, next.workers != present.workers {
            options.log(.warning, "workers changed: it takes effect at the next start")
        }
    }
}
