import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTraffic
import SluiceVLLM

/// Load that replicas tell in the heads of their answers (ORCA), fresher than a page of metrics.
extension Worker {
    /// Whether this attempt asks its replica for a report: vLLM sends one with whole answers of two
    /// routes, and walks its whole registry for it.
    @inline(never) func asksForLoad(_ e: UInt32, _ replica: ReplicaID) -> Bool {
        let route = exchanges[e].record.route
        guard route == .chatCompletions || route == .completions, !exchanges[e].arrival.isStream
        else { return false }
        return pools.with(exchanges[e].traffic) { $0.mayAskForLoad(replica, now: now) }
    }

    /// Takes in the report in the head that has come, if there is one.
    @inline(never) func takeLoad(_ u: UInt32, _ e: UInt32) {
        exchanges[e].asksForLoad = false
        guard let load = upstreams[u].endpointLoad(&responseHead.value) else { return }
        let wakes = shared.pools[exchanges[e].traffic].observe(
            exchanges[e].lastReplica, .report(waiting: load.waiting, kvUsage: load.kvUsage),
            now: now)
        turnWakes.formUnion(wakes)
    }
}

extension UpstreamConnection {
    /// The report in the head at the front of the input.
    fileprivate mutating func endpointLoad(_ head: inout ResponseHead) -> EndpointLoad? {
        guard let line = head.first(.endpointLoadMetrics) else { return nil }
        return EndpointLoad(input.bytes.extracting(line.value))
    }
}
