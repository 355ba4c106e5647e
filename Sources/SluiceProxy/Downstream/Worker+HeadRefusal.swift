import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

// A large body is not worth reading where nothing in it can change the answer. Source: METRICS.md,
// *Outcome*; RFC 9112 section 9.3 for what becomes of the bytes that still come.

/// Refusals on the head alone, and the rest of their requests.
extension Worker {
    /// Refuses a request whose body is still on its way, if its tenant's quota is spent or its pool
    /// refuses whatever the body says.
    ///
    /// The pool is asked only where there is one, so that the head says which, and where no replica
    /// is bound to the request by what the body names.
    ///
    /// - Returns: whether it was refused; the head is used up then.
    @inline(never) func refuseByHead(_ e: UInt32, _ d: UInt32, body count: Int, head headCount: Int)
        -> Bool
    {
        guard exchanges[e].record.route.isJudgedByHead else { return false }
        if exchanges[e].isMetered, let wait = quotaWait(e) {
            passOverBody(e, d, body: count, head: headCount)
            refuse(e, .quota(retryAfter: wait))
            return true
        }
        guard settings.pools.count == 1 else { return false }
        exchanges[e].arrival.promptBytes = count
        exchanges[e].arrival.bodyBytes = count
        let label = directory.value.soleModelLabel
        exchanges[e].arrival.modelIndex = Int(label)
        exchanges[e].arrival.isRepeated = exchanges[e].record.clientRetryCount > 0
        exchanges[e].arrival.tag = exchanges[e].record.requestID.tail()
        let verdict = pools.with(0) { traffic in
            traffic.judgeHead(exchanges[e].arrival, now: now, random: &random.value)
        }
        guard let shed = verdict else { return false }
        exchanges[e].traffic = 0
        exchanges[e].record.poolIndex = 0
        exchanges[e].record.modelIndex = label
        passOverBody(e, d, body: count, head: headCount)
        refuse(e, shed)
        return true
    }

    /// Uses up the head and what has come of the body; what has not is dropped after the answer, or
    /// the connection ends with it.
    private func passOverBody(_ e: UInt32, _ d: UInt32, body count: Int, head headCount: Int) {
        exchanges[e].record.received = now
        exchanges[e].record.phase = .queued
        downstreams[d].consumeInput(headCount, pool)
        let here = min(count, downstreams[d].input.count)
        downstreams[d].consumeInput(here, pool)
        exchanges[e].record.bytesIn = UInt64(here)
        shard.received(&exchanges[e].record)
        let left = count - here
        // Who waits for a 100 may now send its body or not: on a connection that goes on the next
        // request could not be told from it. Source: RFC 9110 section 10.1.1.
        let isWaiting = requestHead.value.expectsContinue && here == 0
        if isWaiting || left > DownstreamConnection.lingerBytesMax {
            downstreams[d].closesAfterAnswer = true
        } else {
            downstreams[d].bodyLeft = left
        }
    }

    /// Reads on to the end of a refused request's body, so that the connection can serve another.
    func discardBody(_ d: UInt32) {
        downstreams[d].stage = .discardingBody
        setDeadline(d, now + DownstreamConnection.lingerMax)
    }

    /// Drops what has come of that body.
    func dropBody(_ d: UInt32) {
        let count = min(downstreams[d].bodyLeft, downstreams[d].input.count)
        downstreams[d].bodyLeft -= count
        downstreams[d].consumeInput(count, pool)
        if downstreams[d].bodyLeft == 0 { awaitRequest(d) }
    }
}

extension Route {
    /// Whether a request of the route is queued and refused like any other of its pool, whatever its
    /// body says: what continues a response goes to its replica without waiting.
    fileprivate var isJudgedByHead: Bool {
        switch self {
        case .chatCompletions, .completions, .embeddings, .messages, .rerank, .score,
            .audioTranscriptions, .audioTranslations, .tokenize, .detokenize, .pooling, .classify:
            true
        case .responses, .responsesByID, .models, .health, .admin, .unknown: false
        }
    }
}
