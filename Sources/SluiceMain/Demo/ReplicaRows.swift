import Foundation

/// What the admin page `/replicas` says, as far as the demo shows it.
struct ReplicaRows: Decodable {
    struct Pool: Decodable {
        let replicas: [Row]
        let queueLength: Int
        let panic: Bool
    }

    struct Row: Decodable {
        let name, url, state, why: String
        let sinceSeconds: Double
        let inFlight: Int
        let queueDepth, running, kvUsageRatio: Double?
        let dispatched, failed: Int
        let signalStale: Bool
    }

    let pools: [Pool]

    var rows: [Row] { pools.flatMap(\.replicas) }
    /// Requests that wait in the gateway.
    var waiting: Int { pools.map(\.queueLength).reduce(0, +) }

    init?(_ body: [UInt8]) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let page = try? decoder.decode(Self.self, from: Data(body)) else { return nil }
        self = page
    }
}
