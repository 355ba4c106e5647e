import SluiceTelemetry
import SluiceTime

// What a diagnosis is made from, as plain numbers: whoever owns pools, metrics and scrapes fills it
// in once a second. Counters count since their owner's start and may restart at zero.

/// What keeps a replica from being given work, where it is not its operator's wish.
package enum ReplicaTrouble: Equatable, Sendable {
    /// It refuses connections or does not answer.
    case unreachable
    /// It answers, and its `/health` says 503.
    case unhealthy
    /// It refuses our key.
    case unauthorized
    /// Requests there keep failing.
    case failing
    /// No event on any of its streams for long; `wedged` where its engine stands still too.
    case stalled(isWedged: Bool)

    /// What the replica does, in words.
    var words: String {
        switch self {
        case .unreachable: "does not answer"
        case .unhealthy: "says 503"
        case .unauthorized: "refuses our key"
        case .failing: "fails"
        case .stalled: "stands still"
        }
    }
}

/// One replica at one instant; nil where it does not say.
package struct ReplicaFigures: Sendable {
    package var name = ""
    /// Whether new requests may go there.
    package var isServing = true
    /// Whether it takes connections as far as is known, and nobody has taken it out: not so where it is
    /// down, cordoned or asleep.
    package var isReachable = true
    /// Whether it is new or has just come back, and is given work little by little.
    package var isWarming = false
    package var trouble: ReplicaTrouble?
    /// What it has been in this state for, seconds.
    package var troubleSeconds = 0.0

    // MARK: Seen by the gateway

    /// Our requests there.
    package var inFlight = 0.0
    /// Of them, those whose first output is still to come.
    package var pending = 0.0
    /// Requests its engine is believed to run at once.
    package var slots = 0.0
    /// Time of an engine step as its streams show it, seconds; nil before the first.
    package var stepTime: Double?
    /// Since anything came on any of its streams, seconds; nil: nothing ever has.
    package var eventAge: Double?

    // MARK: Said by its metrics

    /// Since its metrics were read and believed, seconds; nil: never.
    package var signalAge: Double?
    /// Whether that is so long ago, or never, that routing no longer goes by it.
    package var isStale = true
    /// Between two scrapes, seconds.
    package var scrapeInterval = 1.0
    /// What became of the last scrape, in a word.
    package var lastScrape = ""
    /// Requests in the engine that wait, and that run.
    package var waiting: Double?
    package var running: Double?
    /// Requests there that are not ours, as routing believes: the middle of three scrapes.
    package var others: Double?
    /// 0 … 1.
    package var cacheUsage: Double?
    /// Engine steps.
    package var heartbeat: Double?
    /// Requests preempted.
    package var preemptions: Double?
    /// Tokens looked up in the prefix cache, and found there.
    package var prefixQueries: Double?
    package var prefixHits: Double?
    /// Of finished requests: seconds in the engine's queue, and in prefill.
    package var engineQueue: HistogramTotals?
    package var prefill: HistogramTotals?

    /// What its GPUs say, where an exporter is scraped for them; nil where that is not so, or old.
    package var gpu: GPUFigures?

    package init() {}

    /// Whether what its metrics say is of now.
    var isHeard: Bool { signalAge != nil && !isStale }
    /// Whether pages come often enough that what counters gain between them is of the window.
    var isCounting: Bool { isHeard && scrapeInterval * 4 <= Double(DiagnosisWindow.seconds) }
    /// Requests in the engine; nil where that is not known.
    var inEngine: Double? {
        guard isHeard, let waiting, let running else { return nil }
        return waiting + running
    }
}

/// One pool at one instant, and what its users have seen since the gateway's start.
package struct PoolFigures: Sendable {
    package var name = ""

    // MARK: Now

    /// Requests that wait in the gateway.
    package var queueLength = 0.0
    package var inFlight = 0.0
    /// How long the oldest request without content has waited, seconds; 0 where there is none.
    package var oldestUnanswered = 0.0
    /// Requests that its replicas serve at once.
    package var capacity = 0.0
    /// Objectives, seconds; nil without one.
    package var firstTokenObjective: Double?
    package var timePerTokenObjective: Double?
    /// Gateways that share the replicas.
    package var gateways = 1.0
    /// Whether its models are served by other pools too: users' figures are of all of them then.
    package var sharesModels = false
    package var replicas: [ReplicaFigures] = []

    // MARK: Since start

    /// Requests that came, and that have ended, however.
    package var received = 0.0
    package var finished = 0.0
    /// Refused because capacity is contended: for a predicted wait, a full queue, a wait too long.
    package var shed = 0.0
    /// Refused because nothing serves.
    package var unserved = 0.0
    /// By an answer that failed, before or after its first token.
    package var failed = 0.0
    /// Clients that left before their first token.
    package var abandoned = 0.0
    /// Requests refused for the client's fault, by us or by the engine.
    package var clientErrors = 0.0
    /// Seconds to the first token, the waits of those who got none among them.
    package var firstToken = HistogramTotals()
    /// Seconds in the gateway's queue.
    package var queueWait = HistogramTotals()
    /// Seconds between two tokens, the client's own slowness left out.
    package var gap = HistogramTotals()
    /// Seconds from a request's last byte at the replica to its first token.
    package var engine = HistogramTotals()
    /// Tokens of prompts and of answers.
    package var promptTokens = HistogramTotals()
    package var generatedTokens = HistogramTotals()
    /// Seconds from a request's last byte to its end, of all that have ended.
    package var duration = HistogramTotals()

    /// When the figures were taken; set by ``Diagnosis``.
    var at = Instant.unset
    /// Requests that have come and not ended.
    var held: Double { received - finished }

    package init() {}
}
