import SluiceTime

/// What a fleet can do: everything is stated relative to it.
package struct Capacity: Equatable, Sendable {
    /// Requests within the objectives, a second.
    package let requestsPerSecond: Double
    /// Their work, in milliseconds of a full replica per second.
    package let workPerSecond: Double
    /// Requests that ended when it was measured, a second, whether within the objectives or not.
    package let endedPerSecond: Double

    package init(
        requestsPerSecond: Double, workPerSecond: Double, endedPerSecond: Double? = nil
    ) {
        self.requestsPerSecond = requestsPerSecond
        self.workPerSecond = workPerSecond
        self.endedPerSecond = endedPerSecond ?? requestsPerSecond
    }

    /// Measures a closed loop of `clientsPerReplica` clients, each with a request in flight at all
    /// times, sent where the fewest are.
    ///
    /// - Parameters:
    ///   - configuration: whose first stream says what is asked; when it comes does not matter,
    ///     faults and gateways are left out.
    ///   - clientsPerReplica: as many as there are slots, unless said otherwise.
    ///   - measured: the longer, the less it depends on the seed (120 s: ±1 %).
    package static func measure(
        _ configuration: FleetConfiguration, clientsPerReplica: Int? = nil,
        measured: Nanoseconds = .seconds(2_400)
    ) -> Capacity {
        var fleet = configuration
        var stream = configuration.streams[0]
        let clients = fleet.replicas.reduce(0) { $0 + (clientsPerReplica ?? $1.sequencesMax) }
        stream.arrivals = .closed(clients: clients)
        fleet.streams = [stream]
        fleet.measured = measured
        fleet.scrapeInterval = nil
        fleet.faults = []
        fleet.gatewayShares = [1]
        let result = Fleet(fleet) { ImmediatePolicy(.leastScrapedAndOwn, $0) }.run()
        return Capacity(
            requestsPerSecond: result.goodPerSecond, workPerSecond: result.goodWork(),
            endedPerSecond: Double(result.count(.served)) / measured.seconds)
    }

    /// That of the study's fleet, as this model has it: 36.8 a second and a little.
    package static let study = measure(
        FleetConfiguration(streams: [RequestStream(.closed(clients: 0))]))

    /// The most that any number of clients gets within the objectives, where full slots miss them:
    /// long prompts stretch every step, and embeddings wait for each other.
    package static func best(
        _ configuration: FleetConfiguration, measured: Nanoseconds = .seconds(300)
    ) -> Capacity {
        let slots = configuration.replicas.map(\.sequencesMax).max() ?? 1
        let tried = (1...8).map { part in
            measure(
                configuration, clientsPerReplica: max(1, slots * part / 8), measured: measured)
        }
        return tried.max { $0.workPerSecond < $1.workPerSecond } ?? measure(configuration)
    }
}
