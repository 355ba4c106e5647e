import SluiceTelemetry
import SluiceTime

// Belongs to the worker of its exchange until that has ended, then to whoever took it from the queue
// of finished ones; never to both.

/// A replica as spans name it; immutable.
package final class TracePeer: Sendable {
    /// As in metrics and log.
    package let name: String
    /// Host name or address, without brackets.
    package let host: String
    package let port: UInt16

    package init(name: String, host: String, port: UInt16) {
        self.name = name
        self.host = host
        self.port = port
    }
}

/// One attempt at a replica.
package struct TraceAttempt: Sendable {
    /// The span that the replica was told of as its parent.
    package let engine: SpanID
    package let peer: TracePeer
    /// Of the request id that the replica was sent.
    package let suffix: UInt64
    package let began: Instant
    /// The request's last byte was written; unset where it never was. Of an attempt that is not over
    /// the record knows.
    package fileprivate(set) var sent = Instant.unset
    /// It failed; unset for one that lasted until the exchange ended.
    package fileprivate(set) var failed = Instant.unset
    package fileprivate(set) var reason = Reason.none
    /// The status that came; 0 if none did.
    package fileprivate(set) var status: UInt16 = 0
    /// The request went back to the queue for another attempt; unset if it did not.
    package fileprivate(set) var requeued = Instant.unset
}

/// What the trace of an exchange knows beside its record; only exchanges that are recorded have one.
package struct ExchangeTrace: Sendable {
    /// Attempts kept at most; of more the last one is kept in the last place.
    package static let attemptsMax = 8

    package let trace: TraceID
    /// The caller's span; nil where the trace begins here.
    package let parent: SpanID?
    /// The span of the whole exchange.
    package let root: SpanID
    /// Whether the client came by TLS.
    package let isTLS: Bool
    package private(set) var attempts: [TraceAttempt] = []
    /// Of the finished exchange.
    package private(set) var record = ExchangeRecord()

    package init(trace: TraceID, parent: SpanID?, root: SpanID, isTLS: Bool) {
        self.trace = trace
        self.parent = parent
        self.root = root
        self.isTLS = isTLS
    }

    /// An attempt begins.
    package mutating func attempt(
        at peer: TracePeer, engine: SpanID, suffix: UInt64, now: Instant
    ) {
        if attempts.count == Self.attemptsMax { attempts.removeLast() }
        attempts.append(TraceAttempt(engine: engine, peer: peer, suffix: suffix, began: now))
    }

    /// The attempt has failed; harmless when it is said again. What the record says of it is taken
    /// over: the next attempt writes over that. Changes nothing in the record.
    package mutating func attemptFailed(
        _ reason: Reason, _ record: inout ExchangeRecord, now: Instant
    ) {
        guard let last = attempts.indices.last, !attempts[last].failed.isSet else { return }
        attempts[last].failed = now
        attempts[last].reason = reason
        takeOver(record.sent, record.answered, record.upstreamStatus, of: last)
    }

    /// The request waits for another attempt.
    package mutating func requeued(now: Instant) {
        guard let last = attempts.indices.last else { return }
        attempts[last].requeued = now
    }

    /// The exchange is over: what is left to know of it is in its record, which stays as it is.
    package mutating func ended(_ record: inout ExchangeRecord) {
        self.record = record
        guard let last = attempts.indices.last, !attempts[last].failed.isSet else { return }
        takeOver(record.sent, record.answered, record.upstreamStatus, of: last)
    }

    /// What the record says of its last attempt, unless it says it of the one before.
    private mutating func takeOver(
        _ sent: Instant, _ answered: Instant, _ status: UInt16, of index: Int
    ) {
        let began = attempts[index].began
        if sent.isSet, sent >= began { attempts[index].sent = sent }
        if answered.isSet, answered >= began { attempts[index].status = status }
    }
}
