package import MartletCore

/// What an exchange came to, as logs, formats and spans tell it.
extension Exchange {
    /// From the last attempt's start to the first of upstream's response. Nil while upstream has answered nothing.
    package var upstreamDuration: Nanoseconds? {
        guard attempts > 0, upstreamResponded > upstreamStarted else { return nil }
        return upstreamResponded - upstreamStarted
    }

    /// From the request's start to the first of upstream's response.
    package var responseDuration: Nanoseconds? { upstreamDuration.map { _ in upstreamResponded - started } }

    /// From the request's start to its last byte; nil until that.
    package var requestDuration: Nanoseconds? { requestEnded == .never ? nil : requestEnded - started }

    /// Of the response's body, what the client was sent.
    package var bytesSent: UInt64 { sendsNoBody ? 0 : responseBytes }

    /// Why upstream could not be reached or did not answer as it should; refusals of our own are no such thing.
    package var upstreamFailure: String? {
        Self.upstreamFailureFlags.contains { flags.contains($0) } ? reason : nil
    }

    private static let upstreamFailureFlags: [ResponseFlag] = [
        .upstreamConnectionFailure, .upstreamConnectionTermination, .upstreamRemoteReset, .upstreamProtocolError,
    ]
}
