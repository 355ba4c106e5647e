/// Every metric family Sluice exposes; the row of each is in ``MetricCatalog``.
///
/// A family that is not here cannot be exposed: there is no way to name it.
package enum Metric: UInt8, CaseIterable, Sendable {
    // What users offer and experience.
    case requestsReceived, requests, requestsInFlight, oldestUnanswered, requestDuration
    case timeToFirstToken, firstTokenWait, ttftStage, requestReceive, response
    case interTokenLatency, timePerOutputToken, clientDisconnects, abortPropagation
    case clientRetries, promptTokens, promptTokensCached, generationTokens, contentEvents
    case wastedTokens, requestPromptTokens, requestGenerationTokens, requestParamsMaxTokens
    case requestBodyBytes, downstreamBlocked, downstreamRTT, tenantRequests, tenantTokens

    // The replicas as the gateway sees them.
    case upstreamRequests, upstreamLatency, upstreamConnectErrors, upstreamTimeouts, retries
    case retryBudgetRemaining, poisonRequests, upstreamConnections, staleKeepalive, replicaState
    case poolReplicas, poolPanic, replicaTransitions, replicaInfo, replicaInflight
    case replicaQueueDepth, replicaRunning, replicaKVUsage, replicaOthers, replicaSignalAge
    case replicaSignalMissing, replicaWindow, replicaCapacity, scrapes, scrapeBadSamples
    case scrapeDuration, routingDecisions

    // Who waits, who is refused, and how much there is room for.
    case queueLength, queueLimit, queueBytes, queueWait, queueOldest, shed, shedShadow
    case servedRatioByPromptSize, predictedWait, predictionError, admissionMode, admissionBound
    case leakedPermits, poolDemand, poolUtilization, poolCapacity

    // What was promised, and how much of it was kept.
    case sloEvents, sloLocalBurnRate, sloObjective, goodputRequests, goodputTokens

    // The gateway itself.
    case buildInfo, configReloadSuccessful, configReloadTimestamp, configReloads, draining
    case connections, connectionsMax, connectionsTotal, acceptPaused, eventLoopLag, buffersBytes
    case buffersMaxBytes, httpParseErrors, tlsCertificateExpiry, tlsHandshakes, logLinesDropped
    case traceSpansExported, traceSpansDropped, traceExports, traceQueueSpans
    case dnsErrors, metricsSeries, metricsSeriesMax, metricsLost, processCPU, processOpenFDs
    case processMaxFDs, processVirtualMemory, processResidentMemory, processStartTime
    case processThreads

    /// What the catalog says about the family.
    package var row: MetricRow { MetricCatalog.rows[Int(rawValue)] }
}
