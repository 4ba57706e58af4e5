package import MartletCore
package import MartletGRPC
internal import MartletHTTP

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

    /// How a gRPC call ended, as its client was told: in trailers, or in the head of a response that has nothing else; or what gRPC
    /// makes of the status of a response that says neither. Nil for other requests, and while there is no response.
    package var grpcStatus: GRPCStatus? {
        guard GRPCContentType.isGRPC(request.headers) else { return nil }
        if let status = bridgedStatus ?? GRPCStatus(in: responseTrailers) ?? GRPCStatus(in: response.headers) {
            return status
        }
        return hasSentHead ? GRPCStatus(http: response.status) : nil
    }

    private static let upstreamFailureFlags: [ResponseFlag] = [
        .upstreamConnectionFailure, .upstreamConnectionTermination, .upstreamRemoteReset, .upstreamProtocolError,
    ]
}
