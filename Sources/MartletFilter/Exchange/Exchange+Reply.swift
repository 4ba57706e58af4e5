internal import MartletCore
internal import MartletHTTP

extension Exchange {
    /// Answers from the request side: the reply goes through every filter's response hooks to the client.
    package func begin(_ reply: Reply) {
        requestFlow.stop()
        fillResponse(from: reply)
        host.replyStarted(of: self)
        responseFlow.beginReply(self, body: reply.body)
    }

    /// A reply from `onResponseHead`: it takes the response's place for the filters that have yet to run.
    func replaceResponse(with reply: Reply) {
        fillResponse(from: reply)
        host.replyStarted(of: self)
        responseFlow.replaceSource(self, body: reply.body)
    }

    /// A reply that no response hook sees: the chain has already been shown a response that did not come about.
    package func answerPastFilters(_ reply: Reply) {
        requestFlow.stop()
        responseFlow.stop()
        fillResponse(from: reply)
        let generation = self.generation
        host.headPassed(.response, of: self, ended: reply.body.isEmpty)
        guard self.generation == generation, isOpen, !reply.body.isEmpty else { return }
        host.bodyPassed(.response, of: self, ByteSlice(copying: reply.body), ended: true)
    }

    private func fillResponse(from reply: Reply) {
        response.reset()
        response.status = reply.status
        response.body = reply.body.isEmpty ? .none : .exactly(UInt64(reply.body.count))
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
    }
}
