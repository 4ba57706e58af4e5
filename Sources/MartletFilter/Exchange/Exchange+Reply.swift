internal import MartletCore
internal import MartletGRPC
internal import MartletHTTP

extension Exchange {
    /// Answers from the request side: the reply goes through every filter's response hooks to the client.
    package func begin(_ reply: Reply) {
        requestFlow.stop()
        let body = fillResponse(from: reply)
        host.replyStarted(of: self)
        responseFlow.beginReply(self, body: body)
    }

    /// A reply from `onResponseHead`: it takes the response's place for the filters that have yet to run.
    func replaceResponse(with reply: Reply) {
        let body = fillResponse(from: reply)
        host.replyStarted(of: self)
        responseFlow.replaceSource(self, body: body)
    }

    /// A reply that no response hook sees: the chain has already been shown a response that did not come about.
    package func answerPastFilters(_ reply: Reply) {
        requestFlow.stop()
        responseFlow.stop()
        let body = fillResponse(from: reply)
        let generation = self.generation
        host.headPassed(.response, of: self, ended: body.isEmpty)
        guard self.generation == generation, isOpen, !body.isEmpty else { return }
        host.bodyPassed(.response, of: self, ByteSlice(copying: body), ended: true)
    }

    /// Puts the reply's head in the response's place and returns the body that goes with it.
    private func fillResponse(from reply: Reply) -> [UInt8] {
        response.reset()
        response.status = reply.status
        for field in reply.headers {
            switch field.name.id {
            case .contentLength, .transferEncoding, .connection, .keepAlive, .upgrade: continue
            default: response.headers.append(field.name, field.value)
            }
        }
        if let reason = reply.reason {
            response.headers.append(.xMartletError, reason)
            self.reason = reason
        }
        if let flag = reply.flag { flags.insert(flag) }
        let isGRPC = GRPCContentType.isGRPC(request.headers) && !GRPCContentType.isGRPC(response.headers)
        var body = chain?.localReplies.shape(reply, in: self) ?? reply.body
        if isGRPC { body = tellAsGRPC(reply, body) }
        response.body = body.isEmpty ? .none : .exactly(UInt64(body.count))
        return body
    }

    /// gRPC over HTTP/2, Responses: a response without messages is one head with the status in it, behind 200 whatever it says. A
    /// filter that answers in gRPC itself is left alone. Returns the body to send: none.
    private func tellAsGRPC(_ reply: Reply, _ body: [UInt8]) -> [UInt8] {
        let headers = response.headers
        // `local_replies` may have set one.
        if !headers.contains(.grpcStatus) {
            headers.append(.grpcStatus, String(reply.grpcStatus ?? GRPCStatus(http: response.status).rawValue))
        }
        let message = GRPCMessageText.encode(body.span)
        if !message.isEmpty { headers.set(.grpcMessage, message.span) }
        headers.set(.contentType, "application/grpc")
        headers.remove(.contentEncoding)
        response.setStatus(200)
        return []
    }
}
