import Foundation

/// What the live page's events say, as `sluice top` shows it.
struct TopFeed {
    struct Message: Decodable {
        let run: Int64
        let points: [[Double?]]
        let state: State
    }

    struct State: Decodable {
        struct Shed: Decodable {
            let reason: String
            let count: Int
        }

        struct Class: Decodable {
            let name: String
            let length: Int
            let oldestSeconds, predictedWaitSeconds: Double
            let boundSeconds: Double?

            enum CodingKeys: String, CodingKey {
                case name = "class"
                case length, oldestSeconds, predictedWaitSeconds, boundSeconds
            }
        }

        struct Pool: Decodable {
            let pool, mode: String
            let panic: Bool
            let classes: [Class]
        }

        struct Replica: Decodable {
            let pool, name, state, why: String
            let sinceSeconds: Double
            let inFlight, limit, failed: Int
            let others: Double
            let queueDepth, running, kvUsageRatio: Double?
            let signalStale: Bool
        }

        struct Finding: Decodable {
            struct Evidence: Decodable { let text: String }

            let title, pool, confidence: String
            let replica: String?
            let evidence: [Evidence]
        }

        struct Objective: Decodable {
            let slo: String
            let target: Double
            /// Nil where nothing has come.
            let good, burn, burnLong: Double?
            let firing: [String]
            /// With how much of their windows there has been; nil of a gateway that is older.
            let firingTexts: [String]?

            enum CodingKeys: String, CodingKey {
                case slo, target, firing, firingTexts
                // As the decoder has them, of good_5m and the like.
                case good = "good5M"
                case burn = "burn5M"
                case burnLong = "burn1H"
            }
        }

        struct Decision: Decodable {
            let ageSeconds, waitedSeconds: Double
            let verdict, `class`: String
            let reason, routing, replica: String?
        }

        let version: String
        let columns: [String]
        let ready, draining: Bool
        let problems: [String]
        let objectiveSeconds: Double?
        let sheds: [Shed]
        /// Nil of a gateway that is older.
        let diagnosis: [Finding]?
        let pools: [Pool]
        let replicas: [Replica]
        let objectives: [Objective]
        /// The newest first.
        let decisions: [Decision]
    }

    /// Points kept: as many as a gateway keeps.
    static let pointsMax = 900
    /// Of an event; the first one brings a quarter of an hour, and hundreds of replicas a few lines each.
    private static let bytesMax = 4 << 20

    private(set) var points: [[Double?]] = []
    private(set) var state: State?
    /// What to ask for when the connection has to be made anew; nil at first.
    private(set) var lastID: String?
    /// Restarts of the gateway that were seen.
    private(set) var restarts = 0
    private var run: Int64?
    private var pending: [UInt8] = []
    private let decoder: JSONDecoder

    init() {
        decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
    }

    /// Another connection begins: half an event of the last one is worth nothing.
    mutating func begin() { pending = [] }

    /// Takes bytes of the stream.
    ///
    /// - Returns: whether an event was complete; nil: this is not what a gateway sends.
    mutating func take(_ bytes: [UInt8]) -> Bool? {
        pending += bytes
        guard pending.count <= Self.bytesMax else { return nil }
        var isNew = false
        while let end = pending.firstRange(of: [10, 10]) {
            let event = Array(pending[..<end.lowerBound])
            pending.removeSubrange(..<end.upperBound)
            guard take(event: event) else { return nil }
            isNew = true
        }
        return isNew
    }

    private mutating func take(event: [UInt8]) -> Bool {
        var data: ArraySlice<UInt8> = []
        for line in event.split(separator: 10) {
            if line.starts(with: Array("data: ".utf8)) { data = line.dropFirst(6) }
            if line.starts(with: Array("id: ".utf8)) {
                lastID = String(decoding: line.dropFirst(4), as: UTF8.self)
            }
        }
        guard let message = try? decoder.decode(Message.self, from: Data(data)),
            message.points.allSatisfy({ $0.count == message.state.columns.count })
        else { return false }
        if let run, run != message.run { restarts += 1 }
        run = message.run
        // What an older gateway told may have other columns.
        if state?.columns != message.state.columns { points = [] }
        state = message.state
        points = (points + message.points).suffix(Self.pointsMax)
        return true
    }

    /// A column's values, the oldest first; nil where nothing was measured.
    func column(_ name: String) -> [Double?] {
        guard let index = state?.columns.firstIndex(of: name) else { return [] }
        return points.map { $0.indices.contains(index) ? $0[index] : nil }
    }

    /// Of two columns, each point's sum; nil where neither was measured.
    func sum(_ first: String, _ second: String) -> [Double?] {
        zip(column(first), column(second)).map { a, b in
            guard let a, let b else { return a ?? b }
            return a + b
        }
    }

    /// A column's newest value.
    func newest(_ name: String) -> Double? { column(name).last ?? nil }
}
