import SluiceTime

/// What `/metrics` does.
package enum MetricsFault: String, CaseIterable, Sendable {
    /// The true page.
    case ok
    /// The true page after ``FaultPlan/metricsDelay``.
    case slow
    /// The page as it was when the fault was set, for ever.
    case frozen
    /// 200 with bytes that are no metrics.
    case garbage
    /// The true page and then comment lines up to ``FaultPlan/metricsBytes``.
    case huge
    /// The connection is closed without an answer.
    case dead
}

/// What happens to one request instead of an answer.
package enum HeadFault: Equatable, Sendable {
    /// Nothing: it is answered.
    case none
    /// It is accepted and never answered; the engine never hears of it.
    case hang
    /// The connection is reset (`SO_LINGER` 0) once the request has been read.
    case reset
    /// Bytes that are no HTTP, then a close: ``FaultPlan/garbage``.
    case garbage
    /// A 200 whose head has this many bytes.
    case oversizedHead(Int)
    /// 503, as vLLM 0.29 refuses: ``VLLMError/queueFull(bound:)``.
    case queueFull
    /// 500: ``VLLMError/engineDied``.
    case engineDead
}

/// What happens to one answer after some of its events.
package enum StreamFault: Equatable, Sendable {
    case none
    /// Nothing more comes, and the connection stays open.
    case hang(afterEvents: Int)
    /// The connection is reset, with no last chunk.
    case reset(afterEvents: Int)
}

/// What one request is to suffer.
package struct RequestFault: Equatable, Sendable {
    /// Before the head.
    package var head = HeadFault.none
    /// In the middle of the stream; a plain answer is not touched.
    package var stream = StreamFault.none
}

/// The fault knobs of one simulated replica, as a value: set over HTTP, asked once per request.
///
/// Parsing and rendering: `FaultPlan.applying(json:)` and `append(to:)`.
package struct FaultPlan: Equatable, Sendable {
    /// Longest delay that can be set, in milliseconds: ten minutes.
    package static let delayMillisecondsMax = 600_000
    /// Largest head or metrics page that can be asked for.
    package static let bytesMax = 256 << 20
    /// What the `garbage` faults answer.
    package static let garbage: StaticString =
        "\u{0}\u{1}\u{7F}these bytes are no HTTP\r\n\r\n<<<>>>"

    /// `hang`: accept requests and never answer.
    package var hangs = false
    /// `hang_after_events`: fall silent in the middle of streams.
    package var hangAfterEvents: Int?
    /// `reset`: reset before the head.
    package var resets = false
    /// `reset_after_events`: reset in the middle of streams.
    package var resetAfterEvents: Int?
    /// `garbage`: answer with bytes that are no HTTP.
    package var answersGarbage = false
    /// `head_bytes`: answer with a head of this size.
    package var headBytes: Int?
    /// `queue_full`: refuse with 503.
    package var refusesAsFull = false
    /// `requests`: how many requests the faults above still reach; nil is no end.
    package var requestsLeft: Int?
    /// `slow`: how much slower the engine's steps are; 1 is healthy.
    package var slowFactor = 1.0
    /// `freeze`: the engine hangs: answers stop, gauges stand, `/health` says 200.
    package var freezesEngine = false
    /// `die`: streams in flight end with the error event, then everything is 500 and `/health` 503.
    package var isDead = false
    /// `keep_alive_ms`: close idle connections after this; nil is uvicorn's 5 s, 0 closes right
    /// after an answer, without having said so.
    package var keepAliveMilliseconds: Int?
    /// `models_delay_ms`: hold back `/v1/models`.
    package var modelsDelayMilliseconds = 0
    /// `metrics`: what `/metrics` does.
    package var metrics = MetricsFault.ok
    /// `metrics_delay_ms`: for `slow`.
    package var metricsDelayMilliseconds = 5_000
    /// `metrics_bytes`: for `huge`.
    package var metricsBytes = 32 << 20

    /// No faults.
    package init() {}

    /// How long an idle connection is kept.
    package var keepAlive: Nanoseconds {
        .milliseconds(Int64(keepAliveMilliseconds ?? 5_000))
    }
    /// How long `/v1/models` is held back.
    package var modelsDelay: Nanoseconds { .milliseconds(Int64(modelsDelayMilliseconds)) }
    /// How long `/metrics` is held back.
    package var metricsDelay: Nanoseconds {
        metrics == .slow ? .milliseconds(Int64(metricsDelayMilliseconds)) : .zero
    }

    /// What the next request of an engine route suffers; counts it against `requests`.
    ///
    /// Of several faults the first of this order wins: die, reset, hang, garbage, head_bytes,
    /// queue_full; in a stream the one that comes after fewer events.
    package mutating func next() -> RequestFault {
        var fault = RequestFault()
        if isDead { fault.head = .engineDead }
        if requestsLeft == 0 || isDead { return fault }
        if resets {
            fault.head = .reset
        } else if hangs {
            fault.head = .hang
        } else if answersGarbage {
            fault.head = .garbage
        } else if let headBytes {
            fault.head = .oversizedHead(headBytes)
        } else if refusesAsFull {
            fault.head = .queueFull
        }
        switch (hangAfterEvents, resetAfterEvents) {
        case (nil, nil): break
        case (let hang?, nil): fault.stream = .hang(afterEvents: hang)
        case (nil, let reset?): fault.stream = .reset(afterEvents: reset)
        case (let hang?, let reset?):
            fault.stream = hang < reset ? .hang(afterEvents: hang) : .reset(afterEvents: reset)
        }
        if fault != RequestFault(), let left = requestsLeft { requestsLeft = left - 1 }
        return fault
    }
}
