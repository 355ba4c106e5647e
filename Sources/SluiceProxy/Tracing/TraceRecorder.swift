import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing

/// What a request says of its trace to a replica, and which of the client's fields give way to it.
struct ForwardedTrace {
    let context: TraceContext
    /// Where the client's context is malformed its `tracestate` is void. Source: W3C Trace Context
    /// §3.3.
    let replaced: RequestForwarding.ReplacedTrace
}

/// One worker's side of tracing: decides which exchanges are recorded, and hands over the finished
/// ones.
///
/// Belongs to its worker. Where tracing is off there is none, and requests cost a look whether there
/// is.
final class TraceRecorder {
    /// Exchanges gathered before they are handed over.
    static let batchMax = 64
    static let flushInterval = Nanoseconds.milliseconds(200)

    private let queue: TraceQueue
    private let sampler: TraceSampler
    /// Whether clients come by TLS.
    private let isTLS: Bool
    private var finished: [FinishedTrace] = []
    /// When what waits must be handed over; never while nothing does.
    private(set) var due = Instant.never
    /// Of the request whose head is being taken.
    private(set) var forwarded: ForwardedTrace

    init(_ queue: TraceQueue, sampler: TraceSampler, isTLS: Bool, random: inout Xoshiro) {
        self.queue = queue
        self.sampler = sampler
        self.isTLS = isTLS
        forwarded = ForwardedTrace(
            context: TraceContext(
                trace: TraceID(random: &random), span: SpanID(random: &random), isSampled: false),
            replaced: .none)
        finished.reserveCapacity(Self.batchMax)
    }

    /// Decides about a request whose head has come. Who has decided upstream of us is followed;
    /// whether the trace of nobody's is recorded, the sampler says.
    ///
    /// - Parameter received: the head's own context; nil where it has none or a malformed one.
    func begin(
        _ exchange: inout Exchange, _ received: TraceContext?, random: inout Xoshiro
    ) {
        forwarded = ForwardedTrace(
            context: context(of: &exchange, received, random: &random),
            replaced: received == nil ? .parentAndState : .parent)
    }

    /// What the replica is told where the request is not recorded, and where it is until there is an
    /// attempt.
    private func context(
        of exchange: inout Exchange, _ received: TraceContext?, random: inout Xoshiro
    ) -> TraceContext {
        if let received, !received.isSampled { return received }
        let trace: TraceID
        if let received {
            trace = received.trace
        } else {
            // What stands in the head is malformed, or there twice.
            exchange.record.traceID.removeAll()
            trace = TraceID(random: &random)
            // Load balancers ask every second whether we are there.
            guard exchange.record.route != .health, sampler.takes(trace) else {
                return TraceContext(
                    trace: trace, span: SpanID(random: &random), isSampled: false)
            }
            trace.write(to: &exchange.record.traceID)
        }
        let root = SpanID(random: &random)
        exchange.trace = Pinned(
            ExchangeTrace(trace: trace, parent: received?.span, root: root, isTLS: isTLS))
        return TraceContext(trace: trace, span: root, isSampled: true)
    }

    /// Takes over the trace of an exchange that is over. Changes nothing in the record: a borrow of
    /// it would be passed as a copy.
    func ended(
        _ trace: Pinned<ExchangeTrace>, _ record: inout ExchangeRecord, now: Instant
    ) {
        trace.value.ended(&record)
        finished.append(FinishedTrace(trace: trace, spanCount: trace.value.spanCount))
        if finished.count >= Self.batchMax {
            flush(now: now)
        } else if due == .never {
            due = now + Self.flushInterval
        }
    }

    /// Hands over what has waited long enough.
    func flushIfDue(now: Instant) {
        if now >= due { flush(now: now) }
    }

    func flush(now: Instant) {
        due = .never
        if !finished.isEmpty { queue.put(&finished, now: now) }
    }
}

extension Worker {
    /// Decides about the trace of the request whose head is in `requestHead`.
    @inline(never) func beginTrace(_ e: UInt32, _ d: UInt32) {
        let received = downstreams[d].traceContext(&requestHead.value)
        tracer?.begin(&exchanges[e], received, random: &random.value)
    }

    /// The exchange is over, and its record complete.
    @inline(never) func endTrace(_ exchange: inout Exchange) {
        guard let trace = exchange.trace.take() else { return }
        tracer?.ended(trace, &exchange.record, now: now)
    }
}

extension DownstreamConnection {
    /// The trace context of a head; nil where it has none, a malformed one or more than one.
    ///
    /// Source: W3C Trace Context §3.2.1; changes nothing in the head, as a borrow would be passed as
    /// a copy.
    mutating func traceContext(_ head: inout RequestHead) -> TraceContext? {
        guard let line = head.first(.traceparent), !head.repeats(.traceparent) else { return nil }
        return TraceContext(input.bytes.extracting(line.value))
    }
}

extension Exchange {
    /// Puts the context into what every attempt sends, behind everything else of the head.
    mutating func keep(_ context: TraceContext) {
        let before = request.count
        context.appendField(to: &request)
        fieldsCount += request.count - before
    }

    /// Notes an attempt at a replica, for the record and, where there is one, the trace; the replica
    /// will be told the span of this attempt.
    @inline(__always)
    mutating func attempted(
        at endpoint: ReplicaEndpoint, suffix: UInt64, now: Instant, random: inout Xoshiro
    ) {
        record.attempted(replica: endpoint.recordIndex, suffix: suffix)
        if trace != nil { traceAttempt(at: endpoint, suffix, now: now, random: &random) }
    }

    @inline(never)
    private mutating func traceAttempt(
        at endpoint: ReplicaEndpoint, _ suffix: UInt64, now: Instant, random: inout Xoshiro
    ) {
        let span = SpanID(random: &random)
        trace?.value.attempt(at: endpoint.peer, engine: span, suffix: suffix, now: now)
        // Where the body begins, the context of the head ends.
        TraceContext.replaceSpan(span, inFieldEndingAt: bodyStart, of: &request)
    }

    /// The present attempt has failed.
    mutating func traceFailure(_ reason: Reason, now: Instant) {
        trace?.value.attemptFailed(reason, &record, now: now)
    }

    /// The request waits for another attempt; the one before has failed.
    mutating func traceRetry(_ reason: Reason, now: Instant) {
        traceFailure(reason, now: now)
        trace?.value.requeued(now: now)
    }
}
