import SluiceTime

/// What clients and replicas do besides going on: giving up, coming again, breaking.
extension Fleet {
    // MARK: Clients

    func giveUp(_ token: Int) {
        guard !records[token].firstOutput.isSet else { return }
        switch records[token].outcome {
        case .waiting:
            close(token, .abandoned)
            tell(records[token].gateway) { $0.cancel(token, now: now, into: &$1) }
        case .inFlight:
            if let id = records[token].engineID {
                replicas[records[token].replica].engine.abort(id)
            }
            close(token, .abandoned)
            endDispatch(token, .abandoned)
        case .served, .refused, .expired, .abandoned, .cut, .lost:
            break
        }
    }

    /// Lets the client of a refused request come again, as its style says.
    func scheduleRetry(of token: Int) {
        let record = records[token]
        let client = configuration.streams[record.stream].client
        guard record.attempt < client.triesMax else { return }
        let wait: Nanoseconds
        switch client.retries {
        case .never: return
        case .naive: wait = .milliseconds(100)
        case .exponential: wait = backOff(record.attempt)
        case .retryAfter: wait = record.retryAfter ?? backOff(record.attempt)
        }
        heap.insert(.retry(request: token), at: now + wait)
    }

    /// Source: `_calculate_retry_timeout` of the OpenAI client: 0.5 s · 2ⁿ, at most 8 s, times
    /// 0.75…1.
    private func backOff(_ attempt: Int) -> Nanoseconds {
        var seconds = 0.5
        for _ in 1..<max(2, min(attempt, 16)) where attempt > 1 { seconds *= 2 }
        return .seconds(clamping: min(8, seconds) * (1 - 0.25 * clientChoice.nextUnit()))
    }

    func comeAgain(_ token: Int) {
        var record = records[token]
        record.attempt += 1
        record.arrived = now
        record.gateway = chooseGateway()
        record.outcome = .waiting
        record.ended = .unset
        record.retryAfter = nil
        record.refusal = nil
        record.recalls = 0
        enter(record)
    }

    // MARK: Replicas and gateways

    /// Takes a request back that its replica has not begun; its policy has booked it out.
    func recall(_ token: Int, from gateway: Int) {
        let replica = records[token].replica
        if let id = records[token].engineID { replicas[replica].engine.abort(id) }
        gateways[gateway].inFlight[replica] -= 1
        records[token].outcome = .waiting
        records[token].wasMoved = true
        records[token].engineID = nil
        records[token].recalls &+= 1
        var request = request(token, lostOn: nil)
        request.recalls = records[token].recalls
        tell(gateway) { $0.arrive(request, now: now, into: &$1) }
    }

    func begin(_ fault: Fault) {
        switch fault.kind {
        case .lost(let replica):
            lose(replica)
        case .slow(let replica, let factor):
            replicas[replica].engine.slowFactor = factor
        case .joins(let replica):
            replicas[replica].isUp = true
            for index in gateways.indices {
                tell(index) { $0.replica(replica, isUp: true, now: now, into: &$1) }
            }
        case .restart(let gateway):
            startGateway(at: gateway)
        }
    }

    /// Takes a replica away. What had no output yet is sent again (the retry rule); the rest is cut.
    private func lose(_ replica: Int) {
        replicas[replica].isUp = false
        let engine = EngineModel(parameters: configuration.replicas[replica])
        replicas[replica].engine = engine
        for index in gateways.indices {
            tell(index) { $0.replica(replica, isUp: false, now: now, into: &$1) }
        }
        let hit = records.indices.filter {
            records[$0].outcome == .inFlight && records[$0].replica == replica
        }
        for token in hit where records[token].firstOutput.isSet {
            close(token, .cut)
            endDispatch(token, .lost)
        }
        for token in hit where records[token].outcome == .inFlight {
            records[token].outcome = .waiting
            records[token].wasMoved = true
            records[token].engineID = nil
            endDispatch(token, .lost)
            tell(records[token].gateway) {
                $0.arrive(request(token, lostOn: replica), now: now, into: &$1)
            }
        }
    }
}
