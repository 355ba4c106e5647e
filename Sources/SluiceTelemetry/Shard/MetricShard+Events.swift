import SluiceTime

/// Which side of the gateway.
package enum ConnectionSide: UInt8, CaseIterable, Sendable {
    case downstream, upstream

    /// The value of the label `side`.
    package var label: StaticString {
        switch self {
        case .downstream: "downstream"
        case .upstream: "upstream"
        }
    }
}

/// How a connection, handshake, reload or repeated attempt went.
package enum EventResult: UInt8, CaseIterable, Sendable {
    case ok, failed, timeout, refused

    /// The value of the label `result`.
    package var label: StaticString {
        switch self {
        case .ok: "ok"
        case .failed: "failed"
        case .timeout: "timeout"
        case .refused: "refused"
        }
    }
}

/// How a scrape ended.
package enum ScrapeResult: UInt8, CaseIterable, Sendable {
    case ok, connect, timeout, status, unauthorized, malformed, tooLong

    /// The value of the label `result`.
    package var label: StaticString {
        switch self {
        case .ok: "ok"
        case .connect: "connect"
        case .timeout: "timeout"
        case .status: "status"
        case .unauthorized: "unauthorized"
        case .malformed: "malformed"
        case .tooLong: "too_long"
        }
    }
}

/// What was being waited for when an upstream limit passed, or how far an answer had come.
package enum UpstreamStage: UInt8, CaseIterable, Sendable {
    case head, firstToken, connect, send, idle, total

    /// The value of the label `stage`.
    package var label: StaticString {
        switch self {
        case .head: "head"
        case .firstToken: "first_token"
        case .connect: "connect"
        case .send: "send"
        case .idle: "idle"
        case .total: "total"
        }
    }
}

/// Why tokens were generated for nobody.
package enum WasteCause: UInt8, CaseIterable, Sendable {
    case clientGone, drain

    /// The value of the label `cause`.
    package var label: StaticString {
        switch self {
        case .clientGone: "client_gone"
        case .drain: "drain"
        }
    }
}

extension MetricShard {
    /// Counts a response head of `replica`, every attempt, and the time since the request was sent.
    package func upstreamAnswered(replica: Int32, status: UInt16, after time: Nanoseconds) {
        guard replica >= 0 else { return }
        let replica = UInt16(truncatingIfNeeded: replica)
        count(SeriesKey(.upstreamRequests, replica, min(status, 999)))
        observe(
            SeriesKey(.upstreamLatency, replica, UInt16(UpstreamStage.head.rawValue)),
            .coarse, time)
    }

    /// Counts a connection to `replica` that did not come about.
    package func connectError(replica: Int32, _ reason: Reason) {
        count(replica, .connectErrors, UInt16(reason.rawValue))
    }

    /// Counts a limit that passed while waiting for `replica`.
    package func upstreamTimeout(replica: Int32, _ stage: UpstreamStage) {
        count(replica, .upstreamTimeouts, UInt16(stage.rawValue))
    }

    /// Counts an idle connection that `replica` had closed when it was wanted.
    package func staleKeepalive(replica: Int32) { count(replica, .staleKeepalive, 0) }

    /// Counts a request routed to `replica`.
    ///
    /// - Parameter reason: index into ``NameTables/routingReasons``.
    package func routed(replica: Int32, reason: UInt8) { count(replica, .routing, UInt16(reason)) }

    private func count(_ replica: Int32, _ series: ShardSeries, _ label: UInt16) {
        guard replica >= 0 else { return }
        count(SeriesKey(series, UInt16(truncatingIfNeeded: replica), label))
    }

    /// Counts an attempt repeated because of `reason`, or one that was refused the repeat.
    package func retried(pool: Int16, _ reason: Reason, _ result: EventResult) {
        count(
            SeriesKey(
                .retries, UInt16(reason.rawValue), UInt16(result.rawValue),
                UInt16(bitPattern: pool)))
    }

    /// Counts a request that was not repeated because it broke one replica after the other.
    package func poisoned(pool: Int16) { count(SeriesKey(.poison, UInt16(bitPattern: pool))) }

    /// Counts a connection begun on `side`.
    package func connection(_ side: ConnectionSide, _ result: EventResult) {
        count(SeriesKey(.connections, UInt16(side.rawValue), UInt16(result.rawValue)))
    }

    /// Counts a TLS handshake on `side`.
    package func handshake(_ side: ConnectionSide, _ result: EventResult) {
        count(SeriesKey(.handshakes, UInt16(side.rawValue), UInt16(result.rawValue)))
    }

    /// Counts a malformed HTTP message.
    ///
    /// - Parameter error: index into ``NameTables/requestErrors`` or
    ///   ``NameTables/responseErrors``, by `side`.
    package func parseError(_ side: ConnectionSide, error: UInt8) {
        count(SeriesKey(.parseErrors, UInt16(side.rawValue), UInt16(error)))
    }

    /// Counts time in which no connection was accepted.
    package func acceptPaused(_ time: Nanoseconds) {
        count(.acceptPausedNanoseconds, UInt64(max(0, time.count)))
    }

    /// Counts one turn of the event loop of `worker` that had something to do.
    package func loopTurn(worker: UInt8, _ time: Nanoseconds) {
        observe(SeriesKey(.loopLag, UInt16(worker)), .short, time)
    }

    /// Counts log lines given up.
    package func logLinesDropped(_ n: Int) { count(.logDropped, UInt64(max(0, n))) }

    /// Counts permits lost instead of given back.
    package func leakedPermits(_ n: Int) { count(.leakedPermits, UInt64(max(0, n))) }

    /// Counts a failed name resolution.
    package func dnsError() { count(.dnsErrors) }

    /// Counts an attempt to reload the configuration.
    package func reloaded(_ result: EventResult) {
        count(SeriesKey(.configReloads, UInt16(result.rawValue)))
    }

    /// Counts the scrape of a replica and the lines in it that could not be understood.
    package func scraped(
        pool: Int16, _ result: ScrapeResult, _ time: Nanoseconds, badSamples: Int = 0
    ) {
        let pool = UInt16(bitPattern: pool)
        count(SeriesKey(.scrapes, UInt16(result.rawValue), pool))
        count(SeriesKey(.scrapeBadSamples, pool), UInt64(max(0, badSamples)))
        observe(SeriesKey(.scrapeDuration, pool), .short, time)
    }
}
