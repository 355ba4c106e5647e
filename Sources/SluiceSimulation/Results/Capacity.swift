import SluiceTime

/// What a fleet can do: everything is stated relative to it.
package struct Capacity: Equatable, Sendable {
    /// Requests within the objectives, a second.
    package let requestsPerSecond: Double
    /// Their work, in milliseconds of a full replica per second.
    package let workPerSecond: Double

    /// Measures a closed loop of `clientsPerReplica` clients, each with a request in flight at all
    /// times, sent where the fewest are.
    ///
    /// - Parameters:
    ///   - stream: what is asked; its arrivals do not matter.
    ///   - clientsPerReplica: as many as there are slots, unless said otherwise.
    ///   - measured: the longer, the less it depends on the seed (120 s: ±1 %).
    package static func measure(
        _ configuration: FleetConfiguration, stream: RequestStream? = nil,
        clientsPerReplica: Int? = nil, measured: Nanoseconds = .seconds(2_400)
    ) -> Capacity {
        var configuration = configuration
        var stream = stream ?? configuration.streams[0]
        let clients = configuration.replicas.reduce(0) {
            $0 + (clientsPerReplica ?? $1.sequencesMax)
        }
        stream.arrivals = .closed(clients: clients)
        configuration.streams = [stream]
        configuration.measured = measured
        configuration.scrapeInterval = nil
        configuration.faults = []
        configuration.gatewayShares = [1]
        let result = Fleet(configuration) { ImmediatePolicy(.leastScrapedAndOwn, $0) }.run()
        return Capacity(
            requestsPerSecond: result.goodPerSecond, workPerSecond: result.goodWork())
    }
}
